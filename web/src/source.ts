/** Where the value comes from: embedded in the file, or fetched and refreshed by events. */

import { own, type Detail, type Report } from "./value";

const ADDRESS = "api/report";
const TREE = "api/request";
const EVENTS = "api/events";
const PAUSE_MS = 1000;

function embedded(): Report | null {
  const text = document.getElementById("value")?.textContent ?? "null";
  return (JSON.parse(text) as { report: Report } | null)?.report ?? null;
}

async function fetched<T>(address: string): Promise<T> {
  const answer = await fetch(address, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status} ${answer.statusText}`);
  return (await answer.json()) as T;
}

/** Whether there is a server that has what is not in the report. */
export const isServed = (): boolean => embedded() === null;

/** Puts the tree of a request into the report, where only the server has it; whether it did. */
export async function fill(report: Report, id: string): Promise<boolean> {
  if (!isServed() || own(report.trees.by_id, id)) return false;
  try {
    const { tree } = await fetched<{ tree: Detail }>(`${TREE}?id=${encodeURIComponent(id)}`);
    report.trees.by_id[id] = tree;
    return true;
  } catch {
    return false;
  }
}

/** Gives the value to `show`, and again whenever the server says that there is more to see. */
export async function follow(
  show: (report: Report) => void | Promise<void>,
  said: (state: "live" | "away") => void,
  failed: (error: unknown) => void,
): Promise<void> {
  const inside = embedded();
  if (inside) return show(inside);
  const refresh = () => fetched<{ report: Report }>(ADDRESS).then(({ report }) => show(report), failed);
  await refresh();
  const events = new EventSource(EVENTS);
  let waiting = false;
  events.onopen = () => said("live");
  events.onerror = () => said("away");
  events.onmessage = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      void refresh();
    }, PAUSE_MS);
  };
}
