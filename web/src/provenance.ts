/** Where a request's input came from, and what it cost to send it again and again. */

import { largest, meterBar, place } from "./bars";
import { card, h } from "./dom";
import { brief, count, counted, moneys } from "./figures";
import type { Detail, Paid } from "./value";

const ORIGINS: Record<string, string> = {
  system: "System prompt",
  tools: "Tool definitions",
  user: "The user",
  assistant: "The model's own earlier output",
  tool: "Tool results",
  retrieved: "Retrieved documents",
  image: "Images",
  other: "Other",
};
const ONE: Record<string, string> = {
  system: "The system prompt",
  tools: "The tool definitions",
  user: "This of the user",
  assistant: "This earlier output",
  tool: "This tool result",
  retrieved: "This document",
  image: "This image",
  other: "This piece",
};
const DEAREST = 8;

export function provenanceCard({ provenance }: Detail): HTMLElement | null {
  const { by_origin, segments, evidence, untold_calls } = provenance;
  if (!by_origin.length) return null;
  const most = largest(by_origin.map((row) => place(row.cost.amount)));
  const untold = untold_calls ? h("p", { class: "quiet" }, `The input of ${counted(untold_calls, "call")} was not told apart.`) : null;
  return card(
    "provenance",
    "Where the input came from",
    evidence,
    h("ul", { class: "origins" }, ...by_origin.map((row) => origin(row, most))),
    segments.length ? h("h3", {}, "The most expensive pieces") : null,
    h("ol", { class: "pieces" }, ...segments.slice(0, DEAREST).map(piece)),
    untold,
  );
}

function origin(row: Paid, most: number): HTMLElement {
  return h(
    "li",
    {},
    h("span", { class: "name" }, ORIGINS[row.origin] ?? row.origin),
    h("span", { class: "amount" }, moneys(row.cost)),
    meterBar(place(row.cost.amount), most),
  );
}

/** `This tool result, search, cost $0.21 over 11 calls: 8,000 tokens, 88k sent, …` */
function piece(row: Paid): HTMLElement {
  const rate = row.at_cached_rate ? `, ${brief(row.at_cached_rate)} of it at the cached rate` : "";
  return h(
    "li",
    {},
    ONE[row.origin] ?? row.origin,
    row.name ? h("span", {}, " ", h("strong", {}, row.name)) : null,
    " cost ",
    h("strong", {}, moneys(row.cost)),
    ` over ${counted(row.calls, "call")}`,
    h("span", { class: "quiet" }, `${count(row.tokens ?? 0)} tokens, ${brief(row.total_input)} sent in all${rate}`),
  );
}
