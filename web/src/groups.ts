/** Cost by a key, over time and in all. */

import { asTable, column, largest, meterBar, place } from "./bars";
import { card, choice, h, type Child } from "./dom";
import { amountText, brief, count, counted, instant, money, named, percentText, placesFor } from "./figures";
import { amend, route } from "./route";
import type { Group, GroupRow, Report } from "./value";

const NAMES: Record<string, string> = {
  feature: "Feature",
  tenant: "Tenant",
  model: "Model",
  agent: "Agent",
  tool: "Tool",
  user: "User",
};
const REST = 7;

/** A card with a choice of keys; the chosen one is kept in the address. */
export function groupsCard(report: Report, keys: string[], title: string): HTMLElement {
  const wanted = route().query.get("by") ?? "";
  const body = h("div", {});
  const show = (by: string) => body.replaceChildren(...grouped(report, by));
  const chosen = keys.includes(wanted) ? wanted : keys[0]!;
  const options = keys.map((by) => [by, NAMES[by] ?? by] as const);
  const pick = choice("By", options, chosen, (by) => {
    amend({ by });
    show(by);
  });
  show(chosen);
  return card("groups", title, `by ${report.over_time.step}, in UTC`, pick, body);
}

export function groupsView(report: Report): Child[] {
  return [
    h("h1", { tabindex: -1 }, "Where the cost goes"),
    groupsCard(report, Object.keys(report.groups), "By key and over time"),
  ];
}

function grouped(report: Report, by: string): HTMLElement[] {
  const group = report.groups[by];
  if (!group) return [];
  return [chart(report, by, group), rows(report, by, group), figures(report, group)];
}

function layers(group: Group): { name: string; series: string[]; class: string }[] {
  const shown = group.series.map((series, at) => ({
    name: group.rows[at]?.key ?? "",
    series,
    class: `s${at}`,
  }));
  if (!group.rest) return shown;
  return [...shown, { name: `${group.rest_keys} others`, series: group.rest, class: `s${REST}` }];
}

function chart(report: Report, by: string, group: Group): HTMLElement {
  const { from, step, cost } = report.over_time;
  const stacked = layers(group);
  const highest = cost.reduce((most, one) => (place(one) > place(most) ? one : most), "0");
  const most = place(highest);
  const columns = from.map((iso, at) => {
    const parts = stacked.map((one) => ({ size: place(one.series[at] ?? "0"), class: one.class }));
    const told = stacked
      .filter((one) => place(one.series[at] ?? "0"))
      .map((one) => `${one.name}: ${amountText(one.series[at] ?? "0", report.currency)}`);
    return column(parts, most, { title: [`${instant(iso, step)} UTC: ${amountText(cost[at] ?? "0", report.currency)}`, ...told].join("\n") });
  });
  const label = `Cost by ${by} for each ${step}, ${counted(from.length, "bar")}; the figures are below`;
  const ends = [from[0], from[Math.floor(from.length / 2)], from[from.length - 1]];
  const ticks = [...new Set(ends)].filter((iso) => iso !== undefined);
  return h(
    "figure",
    { class: "overtime" },
    h("p", { class: "highest" }, money(highest, report.currency)),
    h("div", { class: "columns", role: "img", "aria-label": label }, ...columns),
    h("figcaption", {}, ...ticks.map((iso) => h("span", {}, instant(iso, step)))),
  );
}

function rows(report: Report, by: string, group: Group): HTMLElement {
  const { currency } = report;
  const places = placesFor(group.rows.map((row) => row.cost));
  const most = largest(group.rows.map((row) => place(row.cost)));
  const heads = [NAMES[by] ?? by, "Requests", "Calls", "Tokens", "Waste", "Share", "Cost"];
  const body = group.rows.map((row, at) => line(row, at, currency, places, most, group));
  const head = h("tr", {}, ...heads.map((text, at) => h("th", { scope: "col", class: at ? "n" : "" }, text)));
  const table = h("table", { class: "list groups" }, h("thead", {}, head), h("tbody", {}, ...body));
  const more = group.left_out
    ? h("p", { class: "quiet" }, `${count(group.left_out)} more, together `, money(group.left_out_cost, currency))
    : null;
  return h("div", {}, table, more);
}

function line(
  row: GroupRow,
  at: number,
  currency: string,
  places: number,
  most: number,
  group: Group,
): HTMLElement {
  const swatch = h("span", { class: `swatch s${at < group.series.length ? at : REST}`, "aria-hidden": "true" });
  const name = row.key === "-" ? h("span", { class: "none" }, "none") : named(row.key);
  const waste = place(row.waste) ? money(row.waste, currency, { places }) : h("span", { class: "none" }, "\u2013");
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "key" }, swatch, h("span", { class: "name" }, name)),
    h("td", { class: "n", "data-name": "requests" }, count(row.requests)),
    h("td", { class: "n", "data-name": "calls" }, count(row.calls)),
    h("td", { class: "n", "data-name": "tokens" }, brief(row.tokens)),
    h("td", { class: "n lostText", "data-name": "waste" }, waste),
    h("td", { class: "n", "data-name": "share" }, place(row.cost) ? percentText(row.percent) : row.partial ? "" : "0%"),
    h(
      "td",
      { class: "n cost", "data-name": "cost" },
      money(row.cost, currency, { places, bound: row.partial > 0 }),
      meterBar(place(row.cost), most, place(row.waste)),
    ),
  );
}

function figures(report: Report, group: Group): HTMLElement {
  const { from, step, cost } = report.over_time;
  const stacked = [...layers(group), { name: "all", series: cost }];
  const places = placesFor(cost);
  const body = from.map((iso, at) => [
    instant(iso, step),
    ...stacked.map((one) => money(one.series[at] ?? "0", report.currency, { places })),
  ]);
  const heads = [`${step}, UTC`, ...stacked.map((one) => (one.name === "-" ? "none" : one.name))];
  return asTable("The chart as a table", heads, body);
}
