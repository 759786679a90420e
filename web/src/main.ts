/** The page: a header, and the view that the address names. */

import { h, type Child } from "./dom";
import { instant } from "./figures";
import { gapsView } from "./gaps";
import { groupsView } from "./groups";
import { overview } from "./overview";
import { requestView } from "./request";
import { requestsView } from "./requests";
import { route, toRequest } from "./route";
import { fill, follow } from "./source";
import { themeButton } from "./theme";
import { rowsOf, type Report } from "./value";

const VIEWS = [
  ["overview", "Overview"],
  ["requests", "Requests"],
  ["groups", "Breakdown"],
  ["gaps", "Not priced"],
] as const;

const period = h("span", { class: "period" });
const state = h("span", { class: "state", role: "status" });
const links = VIEWS.map(([view, text]) => h("a", { href: `#/${view}`, "data-view": view }, text));
const main = h("main", { id: "main", tabindex: -1 });
let report: Report | null = null;

function frame(): void {
  const skip = (event: Event) => {
    event.preventDefault();
    main.focus();
  };
  document.body.append(
    h("a", { class: "skip", href: "#main", onClick: skip }, "Skip to the content"),
    h(
      "header",
      { class: "top" },
      h("a", { class: "brand", href: "#/overview" }, h("span", { class: "logo", "aria-hidden": "true" }, h("i"), h("i"), h("i")), "agentmeter"),
      h("nav", { "aria-label": "Views" }, ...links),
      h("span", { class: "aside" }, state, period, themeButton()),
    ),
    main,
    h("footer", {}, "Amounts are exact; hold the pointer over one to see all of its digits."),
  );
}

function views(made: Report): Child[] {
  const { view, id } = route();
  if (view === "requests") return requestsView(made);
  if (view === "groups") return groupsView(made);
  if (view === "gaps") return gapsView(made);
  return view === "request" ? requestView(made, id) : overview(made);
}

function show(): void {
  if (!report) return;
  const { view, id } = route();
  for (const link of links) {
    const here = link.dataset.view === (view === "request" ? "requests" : view);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { first_at, last_at } = report.total;
  period.textContent = first_at && last_at ? `${instant(first_at)} \u2013 ${instant(last_at)} UTC` : "";
  const drawn = views(report).filter((child): child is Node => child instanceof Node);
  main.replaceChildren(...drawn);
  const title = VIEWS.find(([name]) => name === view)?.[1] ?? `Request ${id.slice(0, 8)}`;
  document.title = `${title} \u00b7 agentmeter`;
}

/** Shows a request again once its tree has come, if that is still what is looked at. */
async function filled(): Promise<void> {
  const { view, id } = route();
  const [made, path] = [report, location.hash];
  if (view !== "request" || !made || !(await fill(made, id))) return;
  if (made === report && path === location.hash) show();
}

/** Shows another report in place, and keeps what had the focus. */
async function refresh(next: Report): Promise<void> {
  const { view, id } = route();
  if (view === "request") await fill(next, id);
  const again = report !== null;
  const [focused, top] = [document.activeElement as HTMLInputElement | null, scrollY];
  const caret = focused?.selectionStart ?? null;
  report = next;
  const [only, more] = report.requests.rows;
  if (!location.hash && only && !more) history.replaceState(null, "", toRequest(rowsOf(report)[0]!.id));
  show();
  void filled();
  if (!again) return;
  const kept = document.getElementById(focused?.id || "none") as HTMLInputElement | null;
  kept?.focus({ preventScroll: true });
  if (caret !== null) kept?.setSelectionRange?.(caret, caret);
  scrollTo(0, top);
}

function failed(error: unknown): void {
  main.replaceChildren(
    h("section", { class: "card empty", role: "alert" }, h("h1", {}, "The report could not be shown"), h("p", {}, String(error))),
  );
}

frame();
let path = location.hash.split("?")[0];
addEventListener("hashchange", () => {
  show();
  void filled();
  if (location.hash.split("?")[0] === path) return;
  path = location.hash.split("?")[0];
  scrollTo(0, 0);
  main.querySelector("h1")?.focus({ preventScroll: true });
});
follow(refresh, (said) => (state.textContent = said === "live" ? "live" : "connection lost, trying again"), failed).catch(failed);
