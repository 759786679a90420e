/** Cost per request: how many requests cost how much, and below them how much of the cost that is. */

import { asTable, largest, percentOf, place, sized } from "./bars";
import { card, h, type Child } from "./dom";
import { amountText, count, counted, money, percentText, placesFor } from "./figures";
import type { Bin, Distribution, Report } from "./value";

const LABELS = 6;

export function histogramCard(report: Report): HTMLElement | null {
  const spread = report.distribution;
  if (!spread.requests) return null;
  return card("distribution", "Cost per request", tail(spread), chart(spread), ranks(spread), table(spread));
}

/** The tail in a sentence: `The dearest 1% (3 requests) make 24% of the cost.` */
function tail(spread: Distribution): Child {
  const first = spread.dearest.find((one) => one.percent * spread.requests >= 100) ?? spread.dearest[2];
  if (!first || first.cost_percent === null) return null;
  return h(
    "span",
    {},
    `The most expensive ${first.percent}% (${counted(first.requests, "request")}) `,
    first.requests === 1 ? "makes " : "make ",
    h("strong", {}, percentText(first.cost_percent)),
    " of the cost.",
  );
}

function chart(spread: Distribution): HTMLElement | null {
  if (!spread.bins.length) return null;
  const most = largest(spread.bins.map((bin) => bin.requests));
  const dearest = largest(spread.bins.map((bin) => place(bin.cost)));
  const bins = spread.bins.map((bin) => binLink(bin, spread, most, dearest));
  const label = "Requests by cost, on a logarithmic scale: upward how many, downward what they cost together";
  return h(
    "div",
    { class: "histogram" },
    h("div", { class: "sides", "aria-hidden": "true" }, h("span", {}, "requests"), h("span", {}, "their cost")),
    h("div", { class: "bins", role: "group", "aria-label": label }, ...bins, ...marks(spread)),
    axis(spread),
  );
}

function binLink(bin: Bin, { currency }: Distribution, most: number, dearest: number): HTMLElement {
  const range = `${edgeText(bin.from, currency)} to ${edgeText(bin.until, currency)}`;
  const label = `${counted(bin.requests, "request")} at ${range} each, ${amountText(bin.cost, currency)} together`;
  const up = sized(h("span", { class: "up" }), { height: percentOf(bin.requests, most) });
  const down = sized(h("span", { class: "down" }), { height: percentOf(place(bin.cost), dearest) });
  const halves = [h("span", { class: "half" }, up), h("span", { class: "half" }, down)];
  if (!bin.requests) return h("span", { class: "bin", title: label }, ...halves);
  const href = `#/requests?from=${bin.from}&until=${bin.until}`;
  return h("a", { class: "bin", href, title: label, "aria-label": label }, ...halves);
}

/** Where a cost is on the scale, as a part of its width. */
function along(bins: Bin[], cost: number): number {
  const at = bins.findIndex((bin) => cost < place(bin.until));
  const bin = bins[at];
  if (!bin) return 1;
  const [low, high] = [Math.log(place(bin.from)), Math.log(place(bin.until))];
  return (at + Math.max(0, (Math.log(cost) - low) / (high - low))) / bins.length;
}

function marks(spread: Distribution): HTMLElement[] {
  const shown = [["p50", "median"], ["p90", "p90"], ["p99", "p99"]] as const;
  return shown.flatMap(([name, text], row) => {
    const cost = place(spread.percentiles[name] ?? "0");
    if (!cost) return [];
    const left = along(spread.bins, cost);
    const label = h("span", { class: left > 0.85 ? "flip" : "" }, text);
    const mark = h("span", { class: `mark row${row}`, "aria-hidden": "true" }, label);
    return [sized(mark, { left: `${(100 * left).toFixed(2)}%` })];
  });
}

/** An edge with its own places, which are few. */
function edgeText(edge: string, currency: string): string {
  return amountText(edge, currency, edge.split(".")[1]?.length ?? 0);
}

function axis({ bins, currency }: Distribution): HTMLElement {
  const every = Math.max(1, Math.ceil(bins.length / LABELS));
  const labels = bins.map((bin, at) => {
    if (at % every) return h("span", {});
    return h("span", { class: at % (2 * every) ? "second" : "" }, edgeText(bin.from, currency));
  });
  return h("div", { class: "axis", "aria-hidden": "true" }, ...labels);
}

function ranks(spread: Distribution): HTMLElement {
  const { percentiles, currency } = spread;
  const names: [string, string | undefined][] = [
    ["Median", percentiles.p50],
    ["90% are below", percentiles.p90],
    ["95%", percentiles.p95],
    ["99%", percentiles.p99],
    ["Most expensive", spread.max],
    ["Mean", spread.mean],
  ];
  const places = placesFor(names.map(([, value]) => value ?? "0"));
  const pairs = names.map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, money(value ?? "0", currency, { places }))),
  );
  const free = spread.free
    ? h("p", { class: "quiet" }, `${counted(spread.free, "request")} without any known cost not on the scale.`)
    : null;
  return h("div", {}, h("dl", { class: "ranks" }, ...pairs), free);
}

function table({ bins, currency }: Distribution): HTMLElement {
  const places = placesFor(bins.map((bin) => bin.cost));
  const rows = bins.map((bin) => [
    h("span", {}, money(bin.from, currency), " \u2013 ", money(bin.until, currency)),
    count(bin.requests),
    money(bin.cost, currency, { places }),
  ]);
  return asTable("The distribution as a table", ["Cost per request", "Requests", "Together"], rows);
}
