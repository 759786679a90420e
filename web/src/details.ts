/** All that is known of the chosen scope. */

import { h, type Child } from "./dom";
import { count, counted, duration, money, moneys } from "./figures";
import { titleOf, type Node } from "./scopes";
import type { Attempt, Call, Usage } from "./value";

const STATUS: Record<string, string> = {
  ok: "ended well",
  error: "failed",
  cancelled: "cancelled",
  closed: "closed early by its reader",
  cut: "cut by the server",
  never_closed: "never closed",
};

export function details(node: Node): HTMLElement {
  const { scope } = node;
  const waste = scope.waste_reason
    ? h("p", { class: "flagline" }, h("span", { class: "flag warn" }, "waste"), ` ${scope.waste_reason}`)
    : null;
  return h(
    "section",
    { class: "card details", tabindex: -1, "aria-labelledby": "details-title", "aria-live": "polite" },
    h("header", {}, h("h2", { id: "details-title" }, h("span", { class: "kind" }, scope.kind), " ", titleOf(node))),
    waste,
    h(
      "dl",
      { class: "pairs" },
      pair("In all", moneys(scope.cost, { bound: scope.partial })),
      pair("Direct", scope.priced || !scope.is_leaf ? moneys(scope.direct_cost, { bound: scope.partial && scope.is_leaf }) : "not priced"),
      pair("Took", `${duration(scope.for_us)}, from ${duration(scope.at_us)}`),
      pair("Ended", `${STATUS[scope.status ?? "ok"] ?? scope.status}${scope.error_type ? `: ${scope.error_type}` : ""}`),
      scope.iteration ? pair("Turn", `${scope.iteration}`) : null,
      node.children.length ? pair("Holds", counted(node.children.length, "scope")) : null,
      scope.late ? pair("Late", "ran on after its request had ended") : null,
      scope.seen_by ? pair("Seen by", scope.seen_by.join(", ")) : null,
      ...(scope.call ? facts(scope.call) : []),
    ),
    scope.call ? lines(scope.call, scope.direct_cost.currency) : usage("Usage in all", scope.usage),
    scope.call ? missing(scope.call) : null,
    scope.call ? attempts(scope.call.attempts) : null,
  );
}

function pair(name: string, value: Child): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function facts(call: Call): (HTMLElement | null)[] {
  const answered = call.response_model && call.response_model !== call.model;
  const said = (name: string, value: string | undefined) => (value ? pair(name, value) : null);
  return [
    said("Provider", call.provider),
    said("Model", call.model),
    answered ? said("Answered by", call.response_model) : null,
    said("Tier", call.service_tier),
    call.batch ? pair("Batch", "yes") : null,
    said("Speed", call.speed),
    said("Region", call.region),
    said("Deployment", call.deployment),
    said("Search context", call.search_context),
    said("Finished", call.finish_reasons?.join(", ")),
    said("Response", call.response_id),
  ];
}

function usage(title: string, used: Usage | undefined): HTMLElement | null {
  if (!used) return null;
  const rows = Object.entries(used).map(([meter, quantity]) => pair(meter, count(quantity)));
  return h("div", {}, h("h3", {}, title), h("dl", { class: "pairs" }, ...rows));
}

/** The line items: quantity x price = amount, with the evidence of each quantity. */
function lines(call: Call, currency: string): HTMLElement | null {
  if (!call.lines?.length) return null;
  const rows = call.lines.map((line) => {
    const known = call.evidence?.[line.meter];
    const sure = known ? (known.extent === "whole" ? known.source : `${known.source}, ${known.extent.replace("_", " ")}`) : "";
    const per = line.quantity ? `${line.unit_price} each` : "";
    return h(
      "tr",
      { title: [line.source, line.assumed].filter(Boolean).join("; ") },
      h("th", { scope: "row" }, line.meter),
      h("td", { class: "n" }, count(line.quantity)),
      h("td", { class: "unit n" }, per),
      h("td", { class: "n" }, money(line.amount, currency)),
      h("td", {}, sure),
    );
  });
  const heads = ["Meter", "Quantity", "Price", "Amount", "Evidence"];
  const head = h("tr", {}, ...heads.map((text, at) => h("th", { scope: "col", class: at && at < 4 ? "n" : "" }, text)));
  const table = h("table", { class: "plain" }, h("thead", {}, head), h("tbody", {}, ...rows));
  const assumed = call.lines.map((line) => line.assumed).filter(Boolean);
  return h(
    "div",
    {},
    h("h3", {}, "Line items"),
    h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Line items" }, table),
    ...[...new Set(assumed)].map((text) => h("p", { class: "quiet" }, `assumed: ${text}`)),
  );
}

function missing(call: Call): HTMLElement | null {
  if (!call.gaps.length) return null;
  const items = call.gaps.map((gap) => h("li", {}, gap.quantity === null ? "" : `${count(gap.quantity)} `, h("code", {}, gap.meter), `: ${gap.reason}`));
  return h("div", {}, h("h3", {}, "Not priced"), h("ul", {}, ...items));
}

function attempts(tries: Attempt[]): HTMLElement | null {
  if (!tries.length) return null;
  const items = tries.map((one) => {
    const told = [one.http_status ?? "no response", one.error_type].filter(Boolean).join(" ");
    const text = `${told} after ${duration(one.for_us)}`;
    return h("li", { class: one.failed ? "lostText" : "" }, text);
  });
  return h("div", {}, h("h3", {}, tries.length === 1 ? "One attempt" : `${tries.length} attempts`), h("ol", {}, ...items));
}
