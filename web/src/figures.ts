/** Decimal strings, counts and instants as people read them. Nothing is added up here. */

import { h, type Child } from "./dom";
import type { Money } from "./value";

const SIGNS: Record<string, string> = { USD: "$", EUR: "\u20ac", GBP: "\u00a3", JPY: "\u00a5" };

/** A decimal string rounded to `places` by its digits, half to even, without passing a float. */
export function rounded(amount: string, places: number): string {
  const negative = amount.startsWith("-");
  const [whole = "0", fraction = ""] = amount.replace("-", "").split(".");
  const kept = fraction.slice(0, places).padEnd(places, "0");
  let units = BigInt(whole + kept);
  const rest = fraction.slice(places);
  if (rest) {
    const half = "5".padEnd(rest.length, "0");
    if (rest > half || (rest === half && units % 2n === 1n)) units += 1n;
  }
  const digits = units.toString().padStart(places + 1, "0");
  const cut = digits.length - places;
  const grouped = digits.slice(0, cut).replace(/\B(?=(\d{3})+$)/g, ",");
  const text = places ? `${grouped}.${digits.slice(cut)}` : grouped;
  return negative && units ? `\u2212${text}` : text;
}

/** Places at which the largest of some amounts shows five digits: two from 10 on, six at most. */
export function placesFor(amounts: Iterable<string>): number {
  let most = 0;
  for (const amount of amounts) most = Math.max(most, Math.abs(Number(amount)));
  if (!most) return 2;
  return most >= 10 ? 2 : Math.min(6, 4 - Math.floor(Math.log10(most)));
}

function marked(text: string, currency: string): string {
  const sign = SIGNS[currency];
  if (!sign) return `${text} ${currency}`;
  return text.startsWith("\u2212") ? `\u2212${sign}${text.slice(1)}` : sign + text;
}

/** An amount as text; what rounds to nothing and is something says so. */
export function amountText(amount: string, currency: string, places = placesFor([amount])): string {
  const text = rounded(amount, places);
  if (Number(amount) > 0 && !/[1-9]/.test(text)) {
    return `<${marked(rounded(`0.${"1".padStart(places, "0")}`, places), currency)}`;
  }
  return marked(text, currency);
}

/** An amount that may be more than is known: `\u2265 $0.01`, or that nothing of it is. */
export function atLeast(amount: string, currency: string, partial: boolean, places?: number): string {
  const text = amountText(amount, currency, places);
  if (!partial) return text;
  return Number(amount) ? `\u2265\u2009${text}` : "not priced";
}

/** An amount whose every digit is at hand: as its title, and in `data-exact`. */
export function money(
  amount: string,
  currency: string,
  { places, bound = false }: { places?: number; bound?: boolean } = {},
): HTMLElement {
  const text = atLeast(amount, currency, bound, places ?? placesFor([amount]));
  const exact = `${bound ? "at least " : ""}${amount} ${currency}`;
  return h("span", { class: "money", title: exact, "data-exact": amount }, text);
}

/** Money with all of its currencies, side by side. */
export function moneys(value: Money, options: { places?: number; bound?: boolean } = {}): HTMLElement {
  const others = (value.other ?? []).map((one) =>
    h("span", { class: "other" }, " + ", money(one.amount, one.currency)),
  );
  return h("span", {}, money(value.amount, value.currency, options), ...others);
}

/** A count with its thousands apart. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A count with its noun: `1 call`, `1,200 calls`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A count in few letters: `6.4k`, `1.2M`. */
export function brief(value: number): string {
  const [by, unit] = value >= 1e9 ? [1e9, "B"] : value >= 1e6 ? [1e6, "M"] : [1e3, "k"];
  if (value < 10_000) return count(value);
  return `${(value / by).toFixed(value / by < 100 ? 1 : 0)}${unit}`;
}

/** A duration from microseconds. */
export function duration(us: number): string {
  if (!us) return "0 s";
  if (us < 1_000) return `${us} \u00b5s`;
  if (us < 1_000_000) return `${(us / 1e3).toFixed(us < 10_000 ? 1 : 0)} ms`;
  if (us < 60_000_000) return `${(us / 1e6).toFixed(us < 10_000_000 ? 2 : 1)} s`;
  const seconds = Math.round(us / 1e6);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** How long something took, from whole milliseconds. */
export function took(ms: number): string {
  return ms ? duration(ms * 1000) : "< 1 ms";
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** An instant in UTC, as far as the step goes: `24 Nov 14:00`. */
export function instant(iso: string, step: string = "minute"): string {
  const day = `${Number(iso.slice(8, 10))} ${MONTHS[Number(iso.slice(5, 7)) - 1]}`;
  if (step === "day" || step === "week") return day;
  if (step === "year") return iso.slice(0, 4);
  const seconds = step.includes("second");
  return `${day} ${iso.slice(11, seconds ? 19 : 16)}`;
}

/** An instant as an element that machines read as well. */
export function time(iso: string): HTMLElement {
  return h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC` }, instant(iso));
}

/** `-3.1` as `\u22123.1%`, with a plus where it grew. */
export function percentText(percent: string | null, signed = false): string {
  if (percent === null) return "";
  if (percent === "0.0" && !signed) return "<0.1%";
  const text = percent.replace("-", "\u2212");
  return `${signed && Number(percent) > 0 ? "+" : ""}${text}%`;
}

/** Characters of a name that are shown whatever happens. */
const LONG = 80;

/** What stands where a name is absent; a long one is cut to a few lines. */
export function named(name: string | null | undefined): Child {
  if (!name) return h("span", { class: "none" }, "\u2013");
  return name.length > LONG ? h("span", { class: "long", title: name }, name) : name;
}
