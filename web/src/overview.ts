/** The first look: today and its change, the tail, the dearest requests, where cost goes. */

import { column, largest, percentOf, place, sized } from "./bars";
import { card, h, type Child } from "./dom";
import { amountText, brief, counted, count, instant, money, moneys, percentText, placesFor } from "./figures";
import { gapsNote } from "./gaps";
import { groupsCard } from "./groups";
import { histogramCard } from "./histogram";
import { marginCard } from "./margin";
import { requestTable } from "./requests";
import type { Report } from "./value";
import { rowsOf } from "./value";

const DEAREST = 8;

export function overview(report: Report): Child[] {
  if (!report.total.requests && !report.unattributed) return [empty()];
  return [
    h("h1", { class: "unseen", tabindex: -1 }, "Overview"),
    h("div", { class: "hero" }, todayCard(report), totals(report)),
    gapsNote(report),
    histogramCard(report),
    dearest(report),
    groupsCard(report, ["feature", "tenant", "model"], "Cost over time"),
    marginCard(report),
  ];
}

function empty(): HTMLElement {
  return h(
    "section",
    { class: "card empty" },
    h("h1", { tabindex: -1 }, "No requests yet"),
    h("p", {}, "Run an instrumented program; what its requests cost appears here."),
  );
}

function todayCard(report: Report): HTMLElement {
  const { today, currency } = report;
  const places = placesFor([today.cost, today.yesterday, today.change]);
  const grew = place(today.change) > 0;
  const change =
    place(today.yesterday_by_now) || place(today.change)
      ? h(
          "p",
          { class: `change ${grew ? "up" : "down"}` },
          h("span", { "aria-hidden": "true" }, grew ? "\u25b2 " : place(today.change) ? "\u25bc " : ""),
          h("span", { id: "change" }, money(today.change, currency, { places })),
          today.change_percent === null ? "" : ` (${percentText(today.change_percent, true)})`,
          h("span", { class: "quiet" }, " against yesterday by this time"),
        )
      : h("p", { class: "change quiet" }, "nothing yesterday by this time");
  const rest = h(
    "p",
    { class: "quiet" },
    `${counted(today.requests, "request")} \u00b7 yesterday in all `,
    money(today.yesterday, currency, { places }),
  );
  return h(
    "section",
    { class: "card today", "aria-labelledby": "today-title" },
    h(
      "div",
      { class: "said" },
      h("h2", { id: "today-title" }, `Today, ${instant(today.from, "day")}`),
      h("p", { class: "big", id: "today-cost" }, money(today.cost, currency, { places, bound: today.partial > 0 })),
      change,
      rest,
    ),
    hours(report),
  );
}

function hours({ today, currency }: Report): HTMLElement {
  const most = largest([...today.hours, ...today.yesterday_hours].map(place));
  const columns = today.hours.map((cost, hour) => {
    const before = today.yesterday_hours[hour] ?? "0";
    const title = `${hour}:00 UTC: ${amountText(cost, currency)}, yesterday ${amountText(before, currency)}`;
    const ghost = sized(h("span", { class: "ghost" }), { height: percentOf(place(before), most) });
    return h("span", { class: "pair", title }, ghost, column([{ size: place(cost), class: "bar" }], most, {}));
  });
  const label = "Cost by hour, today as bars and yesterday behind them";
  return h(
    "figure",
    { class: "hours" },
    h("div", { class: "columns", role: "img", "aria-label": label }, ...columns),
    h("figcaption", {}, ...["0", "6", "12", "18", "24 UTC"].map((text) => h("span", {}, text))),
  );
}

function totals(report: Report): HTMLElement {
  const { total, distribution, currency } = report;
  const shared = place(total.allocated.amount);
  return h(
    "dl",
    { class: "totals" },
    figure(
      "In all",
      h("span", { id: "total-cost" }, moneys(total.cost, { bound: total.lower_bound })),
      shared
        ? h("span", {}, "and ", moneys(total.allocated), " allocated: ", moneys(total.total))
        : total.lower_bound
          ? "at least: not all of it is known"
          : "all of it priced",
    ),
    figure("Requests", count(total.requests), `${brief(total.calls)} calls \u00b7 ${brief(total.tokens)} tokens`),
    figure(
      "Median request",
      money(distribution.percentiles.p50 ?? "0", currency),
      h("span", {}, "one in a hundred above ", money(distribution.percentiles.p99 ?? "0", currency)),
    ),
    figure(
      "Waste",
      h("span", { id: "total-waste", class: place(total.waste.amount) ? "lostText" : "" }, moneys(total.waste)),
      place(total.waste.amount)
          ? `${percentText(total.waste_percent)} of the cost bought nothing`
          : "everything bought something",
    ),
  );
}

function figure(name: string, value: Child, note: Child): HTMLElement {
  return h("div", { class: "card" }, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "quiet" }, note));
}

function dearest(report: Report): HTMLElement {
  const rows = rowsOf(report);
  const more = h(
    "p",
    { class: "more" },
    h("a", { href: "#/requests" }, `All ${counted(rows.length, "request")} \u2192`),
  );
  return card(
    "dearest",
    "Most expensive requests",
    null,
    requestTable(report, rows.slice(0, DEAREST), "Most expensive requests"),
    more,
  );
}
