/** One request: its figures, its picture, the chosen scope, and where its input came from. */

import { place } from "./bars";
import { card, choice, h, type Child } from "./dom";
import { amountText, brief, count, counted, duration, moneys, percentText, time, took } from "./figures";
import { details } from "./details";
import { flame, flameStep } from "./flame";
import { provenanceCard } from "./provenance";
import { amend, route, toRequest } from "./route";
import { isServed } from "./source";
import { chosen, Colours, rootsOf, titleOf, type Colouring, type Node, type Weight } from "./scopes";
import { timeline, timelineStep } from "./timeline";
import type { Detail, Report, Row } from "./value";
import { own, rowsOf } from "./value";

/** What a picture shows, and what can be done to it. */
export interface Picture {
  nodes: Node[];
  colours: Colours;
  weight: Weight;
  selected: Node;
  zoomed: Node;
  rows: number;
  select: (node: Node) => void;
  zoom: (node: Node) => void;
  more: (rows: number) => void;
}

const KEYS: Record<string, string> = {
  flame: "Arrow keys move; Enter, or a second click, zooms in; Escape zooms out.",
  timeline: "Arrow keys move from row to row, and sideways into and out of a scope.",
};
const ARROWS = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"];

export function requestView(report: Report, id: string): Child[] {
  const row = rowsOf(report).find((one) => one.id === id);
  if (!row) return [h("h1", { tabindex: -1 }, "No such request"), h("p", {}, h("code", {}, id))];
  const detail = own(report.trees.by_id, id);
  const head = [back(), h("h1", { tabindex: -1 }, row.name || "request"), owner(row, detail)];
  if (!detail) return [...head, absent(row, report)];
  const chosenScope = h("div", { id: "chosen" });
  return [
    ...head,
    figures(row, detail),
    pictureCard(detail, chosenScope),
    h("div", { class: "two" }, chosenScope, h("div", {}, provenanceCard(detail), rest(detail))),
  ];
}

function back(): HTMLElement {
  return h("p", { class: "back" }, h("a", { href: "#/requests" }, "\u2190 Requests"));
}

function absent(row: Row, report: Report): HTMLElement {
  if (isServed()) return card("absent", "Its tree is being fetched", null, h("p", {}, "It is shown as soon as it is here."));
  const command = `agentmeter report SOURCE --request ${row.id} --html FILE`;
  return card(
    "absent",
    "Its tree is not in this file",
    null,
    h("p", {}, `The file carries the trees of the most expensive requests; ${count(report.trees.left_out)} are left out.`),
    h("p", {}, "This one by itself: ", h("code", {}, command)),
  );
}

function owner(row: Row, detail: Detail | undefined): HTMLElement {
  const fields: [string, string | null][] = [
    ["user", row.user],
    ["tenant", row.tenant],
    ["feature", row.feature],
    ["plan", row.plan],
    ...Object.entries(detail?.tags ?? {}),
  ];
  const chips = fields
    .filter(([, value]) => value)
    .map(([name, value]) => h("li", {}, h("span", { class: "quiet" }, `${name} `), value));
  const parent = detail?.parent_request_id;
  const from = parent ? h("li", {}, "opened by ", h("a", { href: toRequest(parent) }, parent.slice(0, 8))) : null;
  return h(
    "ul",
    { class: "chips", "aria-label": "Owner" },
    h("li", {}, h("code", { title: row.id }, row.id)),
    h("li", {}, time(row.started_at), " UTC"),
    ...chips,
    from,
  );
}

function figures(row: Row, detail: Detail): HTMLElement {
  const waste = Object.entries(detail.waste.by_reason).map(([reason, cost]) => h("span", {}, reason, " ", moneys(cost), " "));
  const evidence = Object.entries(detail.evidence ?? {}).map(([kind, calls]) => `${calls} ${kind.replace("_", " ")}`);
  const tokens = Object.entries(detail.usage ?? {}).map(([meter, quantity]) => `${brief(quantity)} ${meter}`);
  const shared = place(detail.allocated.amount);
  return h(
    "dl",
    { class: "totals" },
    figure(
      "Cost",
      h("span", { id: "request-cost" }, moneys(detail.cost, { bound: Boolean(detail.lower_bound) })),
      shared ? h("span", {}, "with ", moneys(detail.allocated), " allocated: ", moneys(detail.total)) : stated(detail),
    ),
    figure("Waste", h("span", { class: waste.length ? "lostText" : "" }, moneys(detail.waste)), h("span", {}, ...waste)),
    figure("Calls", count(row.calls), `${counted(row.attempts, "attempt")} \u00b7 ${evidence.join(", ")}`),
    figure("Tokens", brief(row.tokens), tokens.join(", ")),
    figure("Took", took(row.duration_ms), row.status === "ok" ? "ended well" : row.status.replace("_", " ")),
  );
}

function stated({ stated, lower_bound }: Detail): Child {
  if (stated) return `stated: ${stated.gross} ${stated.currency}, with ${percentText(stated.tax_percent)} tax`;
  return lower_bound ? "at least: not all of it is known" : "";
}

function figure(name: string, value: Child, note: Child): HTMLElement {
  return h("div", { class: "card" }, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "quiet" }, note));
}

function pictureCard(detail: Detail, chosenScope: HTMLElement): HTMLElement {
  const query = route().query;
  const nodes = rootsOf(detail);
  const body = h("div", { onKeydown: (event: KeyboardEvent) => pressed(event) });
  const legend = h("div", {});
  const readout = h("p", { class: "readout" });
  const keys = h("p", { class: "keys quiet" });
  const state = {
    shape: query.get("as") === "timeline" ? "timeline" : "flame",
    by: (["model", "waste"].find((name) => name === query.get("colour")) ?? "agent") as Colouring,
  };
  const picture: Picture = {
    nodes,
    colours: new Colours(nodes, state.by),
    weight: query.get("width") === "tokens" ? "tokens" : "cost",
    selected: chosen(nodes, query.get("scope")),
    zoomed: chosen(nodes, query.get("zoom")),
    rows: 0,
    select: (node) => {
      const before = body.querySelector(`[data-index="${picture.selected.index}"]`);
      picture.selected = node;
      amend({ scope: node.index ? String(node.index) : null });
      const cell = body.querySelector<HTMLElement>(`[data-index="${node.index}"]`);
      if (!cell) return draw(true);
      mark(before, false);
      mark(cell, true);
      cell.focus();
      told(node);
    },
    zoom: (node) => {
      picture.zoomed = node;
      picture.selected = node;
      amend({ zoom: node.index ? String(node.index) : null, scope: node.index ? String(node.index) : null });
      draw(true);
    },
    more: (rows) => {
      picture.rows = rows;
      draw(false);
    },
  };
  const told = (node: Node) => {
    chosenScope.replaceChildren(details(node));
    readout.replaceChildren(...readoutOf(node, chosenScope));
  };
  const draw = (focus: boolean) => {
    if (state.shape === "flame" && !within(picture.selected, picture.zoomed)) picture.zoomed = picture.selected.parent ?? picture.selected;
    body.replaceChildren(state.shape === "flame" ? flame(picture) : timeline(picture));
    legend.replaceChildren(legendOf(picture, detail));
    told(picture.selected);
    keys.textContent = KEYS[state.shape] ?? "";
    if (focus) body.querySelector<HTMLElement>(`[data-index="${picture.selected.index}"]`)?.focus();
  };
  const pressed = (event: KeyboardEvent) => {
    const step = ARROWS.includes(event.key)
      ? state.shape === "flame"
        ? flameStep(picture.selected, event.key)
        : timelineStep(picture.selected, event.key, nodes)
      : event.key === "Home"
        ? nodes[0]
        : null;
    if (ARROWS.includes(event.key) || event.key === "Home") event.preventDefault();
    if (step) return reached(step);
    if (state.shape !== "flame" || !(event.target as Element).closest(".cell")) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      picture.zoom(picture.selected);
    }
    if (event.key === "Escape" && picture.zoomed.parent) picture.zoom(nodes[0]!);
  };
  const reached = (node: Node) => {
    const drawn = body.querySelector(`[data-index="${node.index}"]`);
    if (!drawn && state.shape === "flame") picture.zoomed = within(node, picture.zoomed) ? (node.parent ?? node) : node;
    picture.select(node);
  };
  const shape = choice("Show", [["flame", "Flame graph"], ["timeline", "Timeline"]], state.shape, (value) => {
    state.shape = value;
    amend({ as: value === "flame" ? null : value });
    width.hidden = value !== "flame";
    draw(false);
  });
  const colour = choice("Colour", [["agent", "Agent"], ["model", "Model"], ["waste", "Waste"]], state.by, (value) => {
    picture.colours = new Colours(nodes, value as Colouring);
    amend({ colour: value === "agent" ? null : value });
    draw(false);
  });
  const width = choice("Width", [["cost", "Cost"], ["tokens", "Tokens"]], picture.weight, (value) => {
    picture.weight = value as Weight;
    amend({ width: value === "cost" ? null : value });
    draw(false);
  });
  width.hidden = state.shape !== "flame";
  draw(false);
  const tools = h("div", { class: "tools" }, shape, h("span", { class: "spring" }), colour, width);
  return h("section", { class: "card picture", "aria-label": "The request as a picture" }, tools, legend, body, keys, readout);
}

/** The chosen scope in a line that stays in view while its details are further down. */
function readoutOf(node: Node, chosenScope: HTMLElement): HTMLElement[] {
  const { scope } = node;
  const go = () => {
    const card = chosenScope.querySelector<HTMLElement>(".details");
    card?.scrollIntoView({ block: "nearest" });
    card?.focus({ preventScroll: true });
  };
  return [
    h("span", { class: "name" }, h("span", { class: "kind" }, scope.kind), " ", h("strong", {}, titleOf(node))),
    h("span", {}, moneys(scope.cost, { bound: scope.partial }), place(scope.cost.amount) || !scope.partial ? " in all" : ""),
    node.children.length ? h("span", {}, moneys(scope.direct_cost), " direct") : h("span", {}, counted(scope.tokens, "token")),
    scope.waste_reason ? h("span", { class: "lostText" }, `waste: ${scope.waste_reason}`) : h("span", { class: "quiet" }, duration(scope.for_us)),
    h("button", { type: "button", class: "link", onClick: go }, "Details"),
  ];
}

function mark(cell: Element | null, is: boolean): void {
  cell?.classList.toggle("is", is);
  cell?.setAttribute("aria-selected", String(is));
  cell?.setAttribute("tabindex", is ? "0" : "-1");
}

function within(node: Node, root: Node): boolean {
  for (let above: Node | null = node; above; above = above.parent) if (above === root) return true;
  return false;
}

function legendOf({ colours }: Picture, detail: Detail): HTMLElement {
  const items = colours.keys.slice(0, 8).map((key) => {
    const lost = colours.by === "waste" ? own(detail.waste.by_reason, key) : undefined;
    const cost = lost ? ` ${amountText(lost.amount, lost.currency)}` : "";
    return h("li", {}, h("span", { class: `swatch ${colours.classFor(key)}`, "aria-hidden": "true" }), (key || "\u2013") + cost);
  });
  const more = colours.keys.length - items.length;
  const none = colours.by === "waste" && !items.length ? h("li", {}, "nothing was wasted") : null;
  return h("ul", { class: "legend", "aria-label": "Colours" }, ...items, none, more > 0 ? h("li", {}, `and ${more} more`) : null);
}

function rest(detail: Detail): HTMLElement | null {
  const items = [
    ...(detail.unpriced ?? []).map((gap) => {
      const quantity = gap.quantity === null ? "an unknown quantity of" : count(gap.quantity);
      return h("li", {}, `${quantity} ${gap.meter} of ${gap.model ?? "\u2013"}: ${gap.reason}`);
    }),
    ...(detail.allocations ?? []).map((one) => {
      const cost = moneys({ amount: one.amount, currency: one.currency });
      return h("li", {}, `allocated ${one.kind} ${one.name}: `, cost, ` (${one.note})`);
    }),
    ...detail.missing.map((scope) => h("li", {}, `left no record: ${scope}`)),
    detail.only_observed ? h("li", {}, `${counted(detail.only_observed, "call")} known only from other instrumentations' spans`) : null,
    detail.missing_parents ? h("li", {}, `${counted(detail.missing_parents, "scope")} whose parent has no record`) : null,
  ].filter((item) => item !== null);
  if (!items.length) return null;
  return card("beside", "Not in the cost above", null, h("ul", {}, ...items));
}
