/** A request as a flame graph, the root on top: as wide as what it cost with all that is below it. */

import { largest, sized } from "./bars";
import { h, type Child } from "./dom";
import { brief, counted } from "./figures";
import type { Picture } from "./request";
import { costText, spoken, titleOf, weightOf, type Node } from "./scopes";

const NARROWEST = 0.0012;
const MOST_CELLS = 2500;

interface Cell {
  node: Node;
  left: number;
  width: number;
}

export function flame(picture: Picture): HTMLElement {
  const { nodes, zoomed: root } = picture;
  if (weightOf(root, picture.weight) <= 0) return nothing(picture);
  const { cells, narrow } = laidOut(root, picture);
  const deepest = largest(cells.map((cell) => cell.node.depth - root.depth));
  const tree = h(
    "div",
    { class: "flame", role: "tree", "aria-label": `Flame graph by ${picture.weight}` },
    ...cells.map((cell) => drawn(cell, root, picture)),
  );
  sized(tree, { "--rows": String(deepest + 1) });
  const above = ancestors(root).map((node) =>
    h("button", { type: "button", class: "crumb", onClick: () => picture.zoom(node) }, titleOf(node)),
  );
  const trail: Child =
    root === nodes[0]
      ? null
      : h("nav", { class: "crumbs", "aria-label": "Zoomed in from" }, ...above, h("span", {}, titleOf(root)));
  const left = narrow
    ? h("p", { class: "quiet" }, `${counted(narrow, "scope")} too narrow to draw here: zoom in, or see the timeline.`)
    : null;
  return h("div", { class: "graph" }, trail, tree, left);
}

function nothing(picture: Picture): HTMLElement {
  const back = h("button", { type: "button", onClick: () => picture.zoom(picture.nodes[0]!) }, "Show the whole request");
  return h(
    "p",
    { class: "graph quiet" },
    `Nothing here has ${picture.weight === "cost" ? "a known cost" : "tokens"}. `,
    picture.zoomed === picture.nodes[0] ? "The timeline shows every scope." : back,
  );
}

function ancestors(node: Node): Node[] {
  const found: Node[] = [];
  for (let above = node.parent; above; above = above.parent) found.unshift(above);
  return found;
}

/** Cells from the top down; what is too narrow to see is counted, with all that is below it. */
function laidOut(root: Node, { weight }: Picture): { cells: Cell[]; narrow: number } {
  const whole = weightOf(root, weight);
  const cells: Cell[] = [{ node: root, left: 0, width: 1 }];
  let narrow = 0;
  for (let at = 0; at < cells.length; at += 1) {
    const { node, left } = cells[at]!;
    let from = left;
    for (const child of node.children) {
      const width = weightOf(child, weight) / whole;
      if (width >= NARROWEST && cells.length < MOST_CELLS) cells.push({ node: child, left: from, width });
      else narrow += sizeOf(child);
      from += width;
    }
  }
  return { cells, narrow };
}

function sizeOf(node: Node): number {
  const found = [node];
  for (let at = 0; at < found.length; at += 1) for (const child of found[at]!.children) found.push(child);
  return found.length;
}

function drawn({ node, left, width }: Cell, root: Node, picture: Picture): HTMLElement {
  const { scope } = node;
  const is = node === picture.selected;
  const atTop = node === root;
  const figure = picture.weight === "cost" ? costText(node) : `${brief(scope.tokens)} tokens`;
  const waste = scope.waste_reason ? " wasted" : "";
  const cell = h(
    "div",
    {
      class: `cell ${picture.colours.classOf(node)}${waste}${is ? " is" : ""}`,
      role: "treeitem",
      "aria-level": node.depth - root.depth + 1,
      "aria-selected": String(is),
      "data-index": node.index,
      id: `scope-${node.index}`,
      title: spoken(node),
      tabindex: is ? 0 : -1,
      onClick: () => (node !== picture.selected ? picture.select(node) : picture.zoom(atTop ? (node.parent ?? node) : node)),
    },
    h("span", { class: "unseen" }, spoken(node)),
    h("span", { class: "text", "aria-hidden": "true" }, titleOf(node)),
    width > 0.12 ? h("span", { class: "amount", "aria-hidden": "true" }, figure) : null,
  );
  return sized(cell, {
    left: `${(100 * left).toFixed(4)}%`,
    width: `${(100 * width).toFixed(4)}%`,
    "--row": String(node.depth - root.depth),
  });
}

/** Where an arrow key leads from a cell: up and down the stack, sideways along the siblings. */
export function flameStep(node: Node, key: string): Node | null {
  const siblings = node.parent?.children ?? [node];
  const at = siblings.indexOf(node);
  if (key === "ArrowDown") return node.children[0] ?? null;
  if (key === "ArrowUp") return node.parent;
  if (key === "ArrowLeft") return siblings[at - 1] ?? null;
  if (key === "ArrowRight") return siblings[at + 1] ?? null;
  return null;
}
