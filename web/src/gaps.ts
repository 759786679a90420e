/** What could not be priced, and how sure the rest is. */

import { card, h, type Child } from "./dom";
import { count, counted, moneys, named, percentText } from "./figures";
import type { Report } from "./value";

const EVIDENCE: Record<string, string> = {
  reported: "reported by the provider",
  charged: "charged by the application",
  estimated: "estimated by a tokenizer",
  at_least: "cut short: at least this much",
  unknown: "not known at all",
};

/** One line on the overview, where there is anything to say. */
export function gapsNote({ gaps }: Report): HTMLElement | null {
  if (!gaps.lower_bound) return null;
  const told = gaps.rows.length
    ? `${counted(gaps.requests, "request")} (${percentText(gaps.requests_percent)}) could not be priced in full. `
    : "";
  return h(
    "p",
    { class: "note", role: "note" },
    told,
    `The true cost of ${counted(gaps.lower_bound, "request")} may be higher than shown. `,
    h("a", { href: "#/gaps" }, "What is missing"),
  );
}

export function gapsView(report: Report): Child[] {
  return [h("h1", { tabindex: -1 }, "What could not be priced"), missing(report), evidence(report), beside(report)];
}

function missing({ gaps }: Report): HTMLElement {
  if (!gaps.rows.length) {
    return card("gaps", "Not priced", null, h("p", {}, "Every known quantity has a price."));
  }
  const heads = ["Model", "Meter", "Quantity", "Requests", "Why"];
  const rows = gaps.rows.map((gap) => {
    const unknown = gap.unknown ? `${gap.quantity === null ? "" : " + "}unknown in ${count(gap.unknown)}` : "";
    return h(
      "tr",
      {},
      h("th", { scope: "row", class: "key" }, h("span", { class: "name" }, named(gap.model))),
      h("td", { "data-name": "meter" }, gap.meter),
      h("td", { class: "n", "data-name": "quantity" }, gap.quantity === null ? "" : count(gap.quantity), unknown),
      h("td", { class: "n", "data-name": "requests" }, count(gap.requests)),
      h("td", { "data-name": "why", class: "why" }, gap.reason),
    );
  });
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col", class: /Q|R/.test(text) ? "n" : "" }, text)));
  const lead = `in ${counted(gaps.requests, "request")}, ${percentText(gaps.requests_percent)} of all; in no total`;
  const table = h("table", { class: "list" }, h("thead", {}, head), h("tbody", {}, ...rows));
  return card("gaps", "Not priced", lead, table);
}

function evidence({ gaps }: Report): HTMLElement {
  const rows = Object.entries(gaps.evidence).map(([kind, calls]) =>
    h("div", {}, h("dt", {}, EVIDENCE[kind] ?? kind), h("dd", {}, counted(calls, "call"))),
  );
  const notes = [
    gaps.only_observed ? `${counted(gaps.only_observed, "call")} known only from other instrumentations' spans: as complete as those were sampled.` : "",
    gaps.missing_scopes ? `${counted(gaps.missing_scopes, "scope")} opened and left no record.` : "",
    gaps.missing_parents ? `${counted(gaps.missing_parents, "scope")} whose parent has no record.` : "",
  ].filter(Boolean);
  return card(
    "evidence",
    "How sure the rest is",
    "the weakest evidence of each call",
    h("dl", { class: "pairs" }, ...rows),
    ...notes.map((text) => h("p", { class: "quiet" }, text)),
  );
}

function beside(report: Report): HTMLElement | null {
  const { unattributed, faults, exchange, total } = report;
  const lines: HTMLElement[] = [];
  if (unattributed) {
    const outside = `${counted(unattributed.calls ?? 0, "call")} outside of any request: `;
    lines.push(h("li", {}, outside, moneys(unattributed.cost), "; wrap them in agentmeter.request"));
  }
  for (const one of total.allocations) {
    const cost = moneys({ amount: one.amount, currency: one.currency });
    lines.push(h("li", {}, `${one.kind} ${one.name}: `, cost, ` (${one.note})`));
  }
  for (const rate of exchange) {
    lines.push(h("li", {}, `at ${rate.rate} ${rate.to} for 1 ${rate.from} of ${rate.on} (${rate.source})`));
  }
  for (const [place, times] of Object.entries(faults)) lines.push(h("li", {}, `${counted(times, "fault")}: ${place}`));
  return lines.length ? card("beside", "Beside the requests", null, h("ul", {}, ...lines)) : null;
}
