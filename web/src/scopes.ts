/** The scopes of a request as a tree, and what they are coloured by. */

import { place } from "./bars";
import { atLeast, counted, duration } from "./figures";
import type { Detail, Scope } from "./value";

export interface Node {
  scope: Scope;
  index: number;
  depth: number;
  parent: Node | null;
  children: Node[];
  agent: string | null;
}

export type Colouring = "agent" | "model" | "waste";
export type Weight = "cost" | "tokens";

/** The nodes in the order of the list, parents first. */
export function grown(scopes: Scope[]): Node[] {
  const nodes: Node[] = [];
  scopes.forEach((scope, index) => {
    const parent = scope.parent === null || scope.parent === undefined ? null : (nodes[scope.parent] ?? null);
    const agent = scope.kind === "agent" ? (scope.name ?? "") : (parent?.agent ?? null);
    const node = { scope, index, depth: parent ? parent.depth + 1 : 0, parent, children: [], agent };
    parent?.children.push(node);
    nodes.push(node);
  });
  return nodes;
}

export function titleOf({ scope }: Node): string {
  return scope.name || scope.kind;
}

export function modelOf({ scope }: Node): string | null {
  if (!scope.call) return null;
  return scope.call.response_model ?? scope.call.model ?? scope.name ?? null;
}

export function weightOf({ scope }: Node, weight: Weight): number {
  return weight === "cost" ? place(scope.cost.amount) : scope.tokens;
}

/** What a scope cost with all that is below it, as far as is known. */
export function costText({ scope }: Node): string {
  return atLeast(scope.cost.amount, scope.cost.currency, scope.partial);
}

/** What a scope is, in a sentence for those who do not see where it stands. */
export function spoken(node: Node): string {
  const { scope } = node;
  const parts = [
    `${scope.kind} ${titleOf(node)}`,
    `${costText(node)} in all`,
    node.children.length ? `${atLeast(scope.direct_cost.amount, scope.direct_cost.currency, false)} direct` : "",
    counted(scope.tokens, "token"),
    duration(scope.for_us),
    scope.waste_reason ? `waste: ${scope.waste_reason}` : "",
    scope.status ? scope.status.replace("_", " ") : "",
    scope.call?.gaps.length ? "not priced in full" : "",
  ];
  return parts.filter(Boolean).join(", ");
}

const HUES = 7;

/** A class for each scope, and what the classes stand for, the dearest first. */
export class Colours {
  readonly keys: string[];
  private readonly at: Map<string, number>;

  constructor(
    nodes: Node[],
    readonly by: Colouring,
  ) {
    const sums = new Map<string, number>();
    for (const node of nodes) {
      const key = this.keyOf(node);
      if (key === null) continue;
      sums.set(key, (sums.get(key) ?? 0) + place(node.scope.direct_cost.amount));
    }
    this.keys = [...sums].sort((a, b) => b[1] - a[1]).map(([key]) => key);
    this.at = new Map(this.keys.map((key, at) => [key, at]));
  }

  keyOf(node: Node): string | null {
    if (this.by === "waste") return node.scope.waste_reason ?? null;
    return this.by === "agent" ? node.agent : modelOf(node);
  }

  classOf(node: Node): string {
    const key = this.keyOf(node);
    if (key === null) return "cx";
    return this.classFor(key);
  }

  classFor(key: string): string {
    if (this.by === "waste") return "cw";
    return `c${Math.min(this.at.get(key) ?? HUES, HUES)}`;
  }
}

/** The node that the address names, else the root. */
export function chosen(nodes: Node[], text: string | null): Node {
  return nodes[Number(text ?? 0)] ?? nodes[0]!;
}

export const rootsOf = (detail: Detail): Node[] => grown(detail.scopes);
