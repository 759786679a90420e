/** Light, dark, or as the system has it. */

import { h } from "./dom";

const KEY = "agentmeter.theme";
const ORDER = ["auto", "light", "dark"] as const;
type Theme = (typeof ORDER)[number];

function kept(): Theme {
  try {
    return ORDER.find((name) => name === localStorage.getItem(KEY)) ?? "auto";
  } catch {
    return "auto"; // a page from a file may have no storage
  }
}

function keep(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // it then holds until the page is left
  }
}

function apply(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** A button that goes round the themes. */
export function themeButton(): HTMLElement {
  let theme = kept();
  apply(theme);
  const button = h("button", { type: "button", class: "theme", onClick: () => turn() });
  const label = () => {
    button.textContent = { auto: "\u25d0", light: "\u2600", dark: "\u263e" }[theme];
    button.setAttribute("aria-label", `Theme: ${theme}. Change`);
    button.title = `Theme: ${theme}`;
  };
  const turn = () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length]!;
    keep(theme);
    apply(theme);
    label();
  };
  label();
  return button;
}
