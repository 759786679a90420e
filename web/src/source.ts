/** Where the value comes from: embedded in the file, or fetched and refreshed by events. */

import type { Report } from "./value";

const ADDRESS = "api/report";
const EVENTS = "api/events";
const PAUSE_MS = 1000;

function embedded(): Report | null {
  const text = document.getElementById("value")?.textContent ?? "null";
  return (JSON.parse(text) as { report: Report } | null)?.report ?? null;
}

async function fetched(): Promise<Report> {
  const answer = await fetch(ADDRESS, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${ADDRESS} answered ${answer.status} ${answer.statusText}`);
  return ((await answer.json()) as { report: Report }).report;
}

/** Gives the value to `show`, and again whenever the server says that there is more to see. */
export async function follow(
  show: (report: Report) => void,
  said: (state: "live" | "away") => void,
  failed: (error: unknown) => void,
): Promise<void> {
  const inside = embedded();
  if (inside) return show(inside);
  const refresh = () => fetched().then(show, failed);
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
