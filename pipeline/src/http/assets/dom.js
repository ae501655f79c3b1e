// Elements from data. Every text is a text node, every link is checked: nothing from outside can
// become markup. There is no other way to make elements in this console.

const SVG = "http://www.w3.org/2000/svg";

// Controls and marks that reorder text would let a name pretend to be another one: show them.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Text as it may be shown. */
export function clean(text) {
  return String(text ?? "").replace(UNSEEN, "\ufffd");
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else {
      element.setAttribute(name, value === true ? "" : clean(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(clean(child)));
  }
}

/** An HTML element. Attribute names and tags are ours; values and children may be anybody's. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Text from outside, kept apart from the direction of the text around it. */
export function said(text) {
  return h("bdi", null, text);
}

/** A link to a web page elsewhere; only its text if the address is anything but http(s). */
export function outside(url, text) {
  let parsed = null;
  try {
    parsed = new URL(String(url));
  } catch {
    return said(text);
  }
  if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return said(text);
  return h("a", { href: parsed.href, rel: "noopener noreferrer", target: "_blank" }, said(text));
}

/** Replaces the content, and keeps what the reader opened and where the focus is. */
export function renew(parent, ...children) {
  const opened = new Set([...parent.querySelectorAll("details[open][data-key]")].map((d) => d.dataset.key));
  const closed = new Set([...parent.querySelectorAll("details:not([open])[data-key]")].map((d) => d.dataset.key));
  const focus = document.activeElement?.closest?.("[data-key]")?.dataset.key;
  const within = focus !== undefined && parent.contains(document.activeElement);
  const scrolls = [...parent.querySelectorAll("[data-scroll]")].map((e) => [e.dataset.scroll, e.scrollLeft, e.scrollTop]);
  parent.replaceChildren();
  append(parent, children);
  for (const details of parent.querySelectorAll("details[data-key]")) {
    if (opened.has(details.dataset.key)) details.open = true;
    if (closed.has(details.dataset.key)) details.open = false;
  }
  for (const [key, left, top] of scrolls) {
    const element = parent.querySelector(`[data-scroll="${CSS.escape(key)}"]`);
    if (element) [element.scrollLeft, element.scrollTop] = [left, top];
  }
  if (within) {
    const target = parent.querySelector(`[data-key="${CSS.escape(focus)}"]`);
    (target?.matches("details") ? target.querySelector("summary") : target)?.focus({ preventScroll: true });
  }
}
