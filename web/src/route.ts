/** Where the reader is: the fragment of the address, so that a view can be linked and gone back to. */

export interface Route {
  view: "overview" | "requests" | "groups" | "gaps" | "request";
  id: string;
  query: URLSearchParams;
}

const VIEWS = ["overview", "requests", "groups", "gaps", "request"] as const;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function route(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, id = ""] = path.split("/");
  const known = VIEWS.find((name) => name === view) ?? "overview";
  return { view: known, id: decoded(id), query: new URLSearchParams(query) };
}

/** The address of a request; half a surrogate pair has no place in one. */
export function toRequest(id: string): string {
  return `#/request/${encodeURIComponent(id.replace(/[\ud800-\udfff]/gu, "\ufffd"))}`;
}

/** Changes what the address says of the view without going to another. */
export function amend(changes: Record<string, string | null>): void {
  const [path] = location.hash.split("?");
  const query = route().query;
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", `${path || "#/overview"}${text ? `?${text}` : ""}`);
}
