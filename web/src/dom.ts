/** Elements from values. Text is always set as text, so that no name can become markup. */

export type Child = Node | string | number | null | undefined | false;
type Listener = (event: never) => void;
export type Props = Record<string, string | number | boolean | null | undefined | Listener>;

const SVG = "http://www.w3.org/2000/svg";

function filled<E extends Element>(element: E, props: Props, children: Child[]): E {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") {
      element.addEventListener(name.slice(2).toLowerCase(), value as EventListener);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** An HTML element: `h("p", { class: "quiet" }, "text")`; `onClick` and its like are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), props, children);
}

/** An SVG element. */
export function svg(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  return filled(document.createElementNS(SVG, tag), props, children);
}

/** A section with a heading that names it. */
export function card(id: string, title: string, lead: Child, ...children: Child[]): HTMLElement {
  const heading = h("h2", { id: `${id}-title` }, title);
  const head = h("header", {}, heading, lead ? h("p", { class: "lead" }, lead) : null);
  return h("section", { class: "card", id, "aria-labelledby": `${id}-title` }, head, ...children);
}

/** A row of buttons of which one is chosen; arrow keys move the choice. */
export function choice(
  label: string,
  options: readonly (readonly [string, string])[],
  chosen: string,
  choose: (value: string) => void,
): HTMLElement {
  const buttons = options.map(([value, text]) =>
    h(
      "button",
      {
        type: "button",
        role: "radio",
        "data-value": value,
        id: `${label}-${value}`.toLowerCase(),
        "aria-checked": String(value === chosen),
        tabindex: value === chosen ? 0 : -1,
        onClick: () => pick(value),
      },
      text,
    ),
  );
  const pick = (value: string) => {
    for (const button of buttons) {
      const is = button.dataset.value === value;
      button.setAttribute("aria-checked", String(is));
      button.tabIndex = is ? 0 : -1;
    }
    choose(value);
  };
  const moved = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (step === undefined || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + step + buttons.length) % buttons.length]!;
    next.focus();
    pick(next.dataset.value!);
  };
  const group = { class: "choice", role: "radiogroup", "aria-label": label, onKeydown: moved };
  const told = h("span", { class: "quiet", "aria-hidden": "true" }, label);
  return h("div", { class: "labelled" }, told, h("div", group, ...buttons));
}
