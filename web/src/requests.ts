/** The list of requests: searched, sorted and paged. */

import { largest, meterBar, place } from "./bars";
import { h, type Child } from "./dom";
import { amountText, brief, count, counted, money, moneys, named, placesFor, time, took } from "./figures";
import { amend, route, toRequest } from "./route";
import type { Report, Row } from "./value";
import { rowsOf } from "./value";

const PAGE = 50;
type Key = "cost" | "started_at" | "calls" | "tokens" | "waste" | "duration_ms";
const SORTS: [Key, string][] = [
  ["started_at", "When"],
  ["calls", "Calls"],
  ["tokens", "Tokens"],
  ["waste", "Waste"],
  ["cost", "Cost"],
];
const STATUS: Record<string, string> = {
  error: "failed",
  cancelled: "cancelled",
  closed: "closed early",
  cut: "cut",
  never_closed: "never closed",
};

export function requestsView(report: Report): Child[] {
  const all = rowsOf(report);
  const query = route().query;
  const body = h("div", {});
  const told = h("p", { id: "found", role: "status", tabindex: -1, class: "quiet" });
  const state = {
    text: query.get("q") ?? "",
    sort: (SORTS.find(([key]) => key === query.get("sort"))?.[0] ?? "cost") as Key,
    down: query.get("order") !== "up",
    page: Math.max(0, Number(query.get("page") ?? 1) - 1 || 0),
    from: query.get("from"),
    until: query.get("until"),
  };
  const show = () => {
    amend({
      q: state.text,
      sort: state.sort === "cost" ? null : state.sort,
      order: state.down ? null : "up",
      page: state.page ? String(state.page + 1) : null,
      from: state.from,
      until: state.until,
    });
    const found = sorted(all.filter((row) => matches(row, state)), state.sort, state.down);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const shown = found.slice(state.page * PAGE, (state.page + 1) * PAGE);
    const sort = (key: Key) => {
      state.down = state.sort === key ? !state.down : true;
      state.sort = key;
      state.page = 0;
      show();
      document.getElementById(`sort-${key}`)?.focus();
    };
    const turn = (by: number) => {
      state.page += by;
      show();
      document.getElementById("found")?.focus();
    };
    told.replaceChildren(
      h(
        "span",
        {},
        found.length === all.length ? counted(all.length, "request") : `${count(found.length)} of ${counted(all.length, "request")}`,
        state.from ? range(report, state.from, state.until ?? "", () => ((state.from = state.until = null), show())) : null,
      ),
    );
    body.replaceChildren(
      requestTable(report, shown, "Requests", { ...state, by: sort }),
      pages > 1 ? pager(state.page, pages, turn) : h("span", {}),
    );
  };
  const search = h("input", {
    type: "search",
    id: "search",
    placeholder: "id, name, user, tenant, feature, plan",
    value: state.text,
    autocomplete: "off",
    onInput: (event: Event) => {
      state.text = (event.target as HTMLInputElement).value;
      state.page = 0;
      show();
    },
  });
  show();
  return [
    h("h1", { tabindex: -1 }, "Requests"),
    h(
      "section",
      { class: "card", "aria-label": "Requests" },
      h("div", { class: "tools" }, h("label", { for: "search" }, "Find"), search),
      told,
      body,
    ),
  ];
}

function matches(row: Row, state: { text: string; from: string | null; until: string | null }): boolean {
  if (state.from && place(row.cost) < place(state.from)) return false;
  if (state.until && place(row.cost) >= place(state.until)) return false;
  const text = state.text.trim().toLowerCase();
  if (!text) return true;
  const within = [row.id, row.name, row.user, row.tenant, row.feature, row.plan];
  return within.some((value) => value?.toLowerCase().includes(text));
}

function sorted(rows: Row[], key: Key, down: boolean): Row[] {
  const by = (row: Row) => (key === "started_at" ? row.started_at : Number(row[key]));
  const order = (a: Row, b: Row) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0);
  return [...rows].sort((a, b) => (down ? -order(a, b) : order(a, b)));
}

function range(report: Report, from: string, until: string, clear: () => void): HTMLElement {
  const text = ` at ${amountText(from, report.currency)} to ${amountText(until, report.currency)} `;
  return h("span", {}, text, h("button", { type: "button", class: "link", onClick: clear }, "show all"));
}

function pager(page: number, pages: number, turn: (by: number) => void): HTMLElement {
  const button = (text: string, by: number, off: boolean) =>
    h("button", { type: "button", disabled: off, onClick: () => turn(by) }, text);
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    button("\u2190 Previous", -1, page === 0),
    h("span", {}, `Page ${page + 1} of ${pages}`),
    button("Next \u2192", 1, page === pages - 1),
  );
}

interface Sorting {
  sort: Key;
  down: boolean;
  by: (key: Key) => void;
}

export function requestTable(report: Report, rows: Row[], caption: string, sorting?: Sorting): HTMLElement {
  const places = placesFor(rows.map((row) => row.cost));
  const most = largest(rows.map((row) => place(row.cost)));
  const plain = ["Request", "User", "Tenant", "Feature"].map((text) => h("th", { scope: "col" }, text));
  const heads = SORTS.map(([key, text]) => sortHead(key, text, sorting));
  const head = h("tr", {}, plain[0], heads[0], ...plain.slice(1), ...heads.slice(1));
  return h(
    "table",
    { class: "list requests" },
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, head),
    h("tbody", {}, ...rows.map((row) => line(report, row, places, most))),
  );
}

function sortHead(key: Key, text: string, sorting?: Sorting): HTMLElement {
  const numeric = key === "started_at" ? "" : "n";
  if (!sorting) return h("th", { scope: "col", class: numeric }, text);
  const is = sorting.sort === key;
  const order = is ? (sorting.down ? "descending" : "ascending") : null;
  const mark = is ? (sorting.down ? " \u2193" : " \u2191") : "";
  const button = h(
    "button",
    { type: "button", id: `sort-${key}`, onClick: () => sorting.by(key) },
    text,
    h("span", { "aria-hidden": "true" }, mark),
  );
  return h("th", { scope: "col", class: numeric, "aria-sort": order }, button);
}

function line(report: Report, row: Row, places: number, most: number): HTMLElement {
  const { currency } = report;
  const flags = [
    row.gaps ? h("span", { class: "flag warn" }, "not priced in full") : null,
    row.status === "ok" ? null : h("span", { class: "flag" }, STATUS[row.status] ?? row.status),
  ];
  const link = h("a", { href: toRequest(row.id), id: `open-${row.id}` }, h("span", { class: "name" }, named(row.name || "request")));
  const id = h("code", { title: row.id }, row.id.slice(0, 8));
  const waste = place(row.waste) ? money(row.waste, currency, { places }) : h("span", { class: "none" }, "\u2013");
  const cost = money(row.cost, currency, { places, bound: Boolean(row.lower_bound) });
  const other = row.other ? h("span", { class: "other" }, " + ", moneys(row.other)) : null;
  return h(
    "tr",
    { "data-id": row.id },
    h("th", { scope: "row", class: "request" }, link, " ", id, ...flags),
    h("td", { "data-name": "when", title: `took ${took(row.duration_ms)}` }, time(row.started_at)),
    h("td", { "data-name": "user" }, named(row.user)),
    h("td", { "data-name": "tenant" }, named(row.tenant)),
    h("td", { "data-name": "feature" }, named(row.feature)),
    h("td", { class: "n", "data-name": "calls" }, count(row.calls)),
    h("td", { class: "n", "data-name": "tokens" }, brief(row.tokens)),
    h("td", { class: "n lostText", "data-name": "waste" }, waste),
    h("td", { class: "n cost", "data-name": "cost" }, cost, other, meterBar(place(row.cost), most, place(row.waste))),
  );
}
