/** Plans beside their true cost, where the value has a comparison. */

import { place } from "./bars";
import { card, h } from "./dom";
import { count, money, placesFor } from "./figures";
import type { Report } from "./value";

export function marginCard({ margin }: Report): HTMLElement | null {
  if (!margin) return null;
  const { currency, plans } = margin;
  const places = placesFor(plans.flatMap((one) => [one.revenue, one.cost]));
  const heads = ["Plan", "Requests", "At a loss", "Revenue", "Cost", "Margin"];
  const rows = plans.map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "key" }, h("span", { class: "name" }, one.plan)),
      h("td", { class: "n", "data-name": "requests" }, count(one.requests)),
      h("td", { class: "n", "data-name": "at a loss" }, count(one.losing_requests)),
      h("td", { class: "n", "data-name": "revenue" }, money(one.revenue, currency, { places })),
      h("td", { class: "n", "data-name": "cost" }, money(one.cost, currency, { places })),
      h(
        "td",
        { class: place(one.margin) < 0 ? "n lostText" : "n", "data-name": "margin" },
        money(one.margin, currency, { places }),
      ),
    ),
  );
  const head = h("tr", {}, ...heads.map((text, at) => h("th", { scope: "col", class: at ? "n" : "" }, text)));
  const table = h("table", { class: "list" }, h("thead", {}, head), h("tbody", {}, ...rows));
  return card("margin", "Plan margin", "revenue under a plan minus true cost", table);
}
