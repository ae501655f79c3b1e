// The one form of the console: a native modal dialog that is filled for each decision. It lives
// outside of what revisions redraw, so nothing that was typed is lost.

import { h, renew, said } from "./dom.js";
import { author, newKey, remember } from "./decide.js";
import { name } from "./who.js";

let dialog = null;

function shell() {
  if (dialog) return dialog;
  dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" });
  document.body.append(dialog);
  return dialog;
}

/**
 * Asks for a decision. `fields` are elements made by the makers below; `send(values, key)` decides
 * and throws what went wrong, which is shown while the form stays as it was.
 */
export function ask({ title, text, fields = [], reason = "Reason", needsReason = false, submit, send }) {
  const box = shell();
  const opener = document.activeElement?.closest?.("[data-key]")?.dataset.key;
  const key = newKey();
  const trouble = h("div", { role: "alert" });
  const go = h("button", { type: "submit", class: "go" }, submit);
  const leave = h("button", { type: "button", class: "act", on: { click: () => box.close() } }, "Cancel");
  const known = name() !== "";
  const who = known
    ? h("p", { class: "quiet" }, "As ", h("strong", null, said(name())), ".")
    : input("author", "Your name", { value: author(), required: true, maxlength: 200, autocomplete: "name" });
  const why = area("reason", reason, { required: needsReason, maxlength: 4000 });
  const form = h("form", { method: "dialog", on: { submit: onSubmit } },
    h("h2", { id: "ask-title" }, title), text && h("p", { class: "quiet" }, text),
    fields, why, who, trouble,
    h("div", { class: "ask-end" }, go, leave));
  renew(box, form);
  // Whoever leaves while it is sent would ask again under another id: it would be decided twice.
  box.oncancel = (event) => { if (go.disabled) event.preventDefault(); };
  box.onclose = () => {
    const back = opener && document.querySelector(`[data-key="${CSS.escape(opener)}"]`);
    if (back) back.focus({ preventScroll: true });
  };
  box.showModal();
  const first = form.querySelector("select, input:not([type=checkbox]), textarea, input");
  (author() === "" && fields.length === 0 ? who.querySelector("input") : first)?.focus();

  async function onSubmit(event) {
    event.preventDefault();
    if (go.disabled) return;
    const data = new FormData(form);
    const values = { author: known ? name() : String(data.get("author")).trim(), reason: String(data.get("reason")).trim(), data };
    sending(true);
    renew(trouble);
    try {
      await send(values, key);
      remember(values.author);
      // A browser may close it in spite of us, and another question may be asked since.
      if (form.isConnected) box.close();
    } catch (error) {
      renew(trouble, notice(error));
      trouble.scrollIntoView({ block: "nearest" });
    }
    sending(false);
  }

  function sending(is) {
    go.disabled = is;
    leave.disabled = is;
    go.textContent = is ? "Sending" : submit;
  }
}

/** What went wrong, and what to do. */
export function notice(error) {
  return h("p", { class: "notice wrong" }, h("strong", null, sentence(error.message)), " ", sentence(error.action ?? ""));
}

function sentence(text) {
  const trimmed = String(text).trim();
  if (trimmed === "") return "";
  const first = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function field(name, label, control, hint) {
  return h("p", { class: "field" }, h("label", { for: `ask-${name}` }, label), control,
    hint && h("span", { class: "sub", id: `ask-${name}-hint` }, hint));
}

export function input(name, label, props, hint) {
  return field(name, label, h("input", { id: `ask-${name}`, name, "aria-describedby": hint && `ask-${name}-hint`, ...props }), hint);
}

export function area(name, label, props) {
  return field(name, props.required ? label : `${label} (optional)`, h("textarea", { id: `ask-${name}`, name, rows: 2, ...props }));
}

/** One of some: pairs of value and text. */
export function choice(name, label, options, chosen) {
  return field(name, label, h("select", { id: `ask-${name}`, name },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
}

/** Any of some. */
export function boxes(name, label, values) {
  return h("fieldset", { class: "field" }, h("legend", null, label),
    values.map((value, i) => h("label", { class: "box", for: `ask-${name}-${i}` },
      h("input", { type: "checkbox", id: `ask-${name}-${i}`, name, value }), " ", h("bdi", null, value))));
}

export const LENGTHS = [
  ["30m", "30 minutes"], ["1h", "1 hour"], ["2h", "2 hours"], ["4h", "4 hours"], ["8h", "8 hours"], ["1d", "1 day"], ["1w", "1 week"],
];
