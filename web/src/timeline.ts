/** A request as a timeline: one row for each scope, in the order of the tree, attempts within. */

import { largest, sized } from "./bars";
import { h } from "./dom";
import { count, duration } from "./figures";
import type { Picture } from "./request";
import { costText, spoken, titleOf, type Node } from "./scopes";

const MOST_ROWS = 300;
const TICKS = 4;

export function timeline(picture: Picture): HTMLElement {
  const { nodes } = picture;
  const shown = Math.max(MOST_ROWS, picture.selected.index + 1, picture.rows);
  const whole = Math.max(1, largest(nodes.map(({ scope }) => scope.at_us + scope.for_us)));
  const rows = nodes.slice(0, shown).map((node) => row(node, whole, picture));
  const ticks = Array.from({ length: TICKS + 1 }, (_, at) => duration(Math.round((whole * at) / TICKS)));
  const more =
    nodes.length > shown
      ? h(
          "button",
          { type: "button", onClick: () => picture.more(shown + MOST_ROWS) },
          `Show more of ${count(nodes.length - shown)} further scopes`,
        )
      : null;
  return h(
    "div",
    { class: "graph" },
    h("div", { class: "ticks", "aria-hidden": "true" }, ...ticks.map((text) => h("span", {}, text))),
    h("div", { class: "timeline", role: "tree", "aria-label": "Timeline" }, ...rows),
    more,
  );
}

function row(node: Node, whole: number, picture: Picture): HTMLElement {
  const { scope } = node;
  const is = node === picture.selected;
  const bar = sized(h("span", { class: `bar ${picture.colours.classOf(node)}${scope.waste_reason ? " wasted" : ""}` }), {
    left: part(scope.at_us, whole),
    width: part(scope.for_us, whole),
  });
  const tries = (scope.call?.attempts ?? []).length > 1 ? scope.call!.attempts : [];
  const marks = tries
    .filter((one) => one.failed)
    .map((one) =>
      sized(h("span", { class: "failed" }), { left: part(one.at_us, whole), width: part(one.for_us, whole) }),
    );
  const label = sized(
    h("span", { class: "label", "aria-hidden": "true" }, h("span", { class: "kind" }, scope.kind), " ", h("span", { class: "name" }, titleOf(node))),
    { "--depth": String(Math.min(node.depth, 12)) },
  );
  return h(
    "div",
    {
      class: `row${is ? " is" : ""}`,
      role: "treeitem",
      "aria-level": node.depth + 1,
      "aria-selected": String(is),
      "data-index": node.index,
      id: `scope-${node.index}`,
      title: spoken(node),
      tabindex: is ? 0 : -1,
      onClick: () => picture.select(node),
    },
    h("span", { class: "unseen" }, spoken(node)),
    label,
    h("span", { class: "track" }, bar, ...marks),
    h("span", { class: "amount", "aria-hidden": "true" }, costText(node)),
  );
}

const part = (us: number, whole: number): string => `${((100 * us) / whole).toFixed(4)}%`;

/** Where an arrow key leads from a row: up and down the rows, sideways into and out of the tree. */
export function timelineStep(node: Node, key: string, nodes: Node[]): Node | null {
  if (key === "ArrowDown") return nodes[node.index + 1] ?? null;
  if (key === "ArrowUp") return nodes[node.index - 1] ?? null;
  if (key === "ArrowLeft") return node.parent;
  if (key === "ArrowRight") return node.children[0] ?? null;
  return null;
}
