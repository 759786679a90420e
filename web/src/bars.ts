/** Bars drawn from figures: positions and heights are for the eye, so they may be floats. */

import { h, type Child, type Props } from "./dom";

/** The number that a decimal string has its place by. */
export const place = (amount: string): number => Number(amount) || 0;

/** The largest of any number of numbers, nothing being the least. */
export function largest(numbers: Iterable<number>): number {
  let most = 0;
  for (const number of numbers) most = Math.max(most, number);
  return most;
}

/** Sets sizes and positions, which the page's policy allows a script but no attribute. */
export function sized<E extends HTMLElement | SVGElement>(
  element: E,
  styles: Record<string, string>,
): E {
  for (const [name, value] of Object.entries(styles)) element.style.setProperty(name, value);
  return element;
}

export const percentOf = (part: number, whole: number): string =>
  `${whole > 0 ? Math.max(0, Math.min(100, (100 * part) / whole)).toFixed(3) : 0}%`;

/** A part of a whole as a thin bar behind its figure. */
export function meterBar(part: number, whole: number, wasted = 0): HTMLElement {
  const bar = sized(h("span", { class: "fill" }), { width: percentOf(part, whole) });
  const lost = wasted ? sized(h("span", { class: "fill lost" }), { width: percentOf(wasted, whole) }) : null;
  return h("span", { class: "meterbar", "aria-hidden": "true" }, bar, lost);
}

/** One column of a chart whose parts stand on each other, from the bottom up. */
export function column(parts: { size: number; class: string }[], most: number, props: Props): HTMLElement {
  const stack = parts
    .filter((part) => part.size > 0)
    .map((part) => sized(h("span", { class: part.class }), { height: percentOf(part.size, most) }));
  return h("span", { ...props, class: "column" }, ...stack.reverse());
}

const OPEN = new Set<string>();

/** A table behind a summary, so that every chart can be read as figures. */
export function asTable(summary: string, heads: string[], rows: Child[][]): HTMLElement {
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      ...row.map((cell, at) => (at ? h("td", {}, cell) : h("th", { scope: "row" }, cell))),
    ),
  );
  const table = h("table", { class: "plain" }, h("thead", {}, head), h("tbody", {}, ...body));
  const wide = h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": summary }, table);
  const kept = (event: Event) => {
    if ((event.target as HTMLDetailsElement).open) OPEN.add(summary);
    else OPEN.delete(summary);
  };
  const props = { class: "figures", open: OPEN.has(summary), onToggle: kept };
  return h("details", props, h("summary", {}, summary), wide);
}
