// What stands for a time: silences, maintenance windows, inhibitions; who made them and why.

import { h, renew, said } from "./dom.js";
import { LENGTHS, ask, choice, input, notice } from "./dialog.js";
import { decide } from "./decide.js";
import { count, moment, words } from "./format.js";
import { may, mayNot } from "./who.js";

const KINDS = [
  { key: "silences", role: "responder", title: "Silences", add: "Add silence", end: "End", what: "Alerts that match tell nobody and open no incident; they stay listed.", of: (r) => r.matchers.map(matcherText) },
  { key: "maintenance", role: "admin", title: "Maintenance", add: "Add maintenance", end: "End", what: "What these services show in that time pages nobody, and is no evidence against anybody.", of: (r) => r.services },
  { key: "inhibitions", role: "admin", title: "Inhibitions", add: "Add inhibition", end: "Remove", what: "While one alert fires, others tell nobody.", of: (r) => [`${r.source.map(matcherText).join(", ")} mutes ${r.target.map(matcherText).join(", ")}`, ...(r.equal.length ? [`where ${r.equal.join(", ")} agree`] : [])] },
];
const PHASE = { active: ["good", "\u25cf", "Active"], pending: ["warn", "\u25d0", "Pending"], expired: ["plain", "\u2013", "Over"] };

const matcherText = (m) => `${m.label}${m.op}"${m.value}"`;

export function silencesPage(main, load) {
  const parts = new Map(KINDS.map((kind) => [kind.key, h("div", null, h("p", { class: "quiet" }, "Loading."))]));
  const dialogs = { silences: silenceDialog, maintenance: maintenanceDialog, inhibitions: inhibitionDialog };
  const trouble = h("div", { role: "alert" });
  renew(main, h("h1", null, "Silences and maintenance"), trouble, KINDS.map((kind) => h("section", { id: kind.key, "aria-labelledby": `${kind.key}-title` },
    h("div", { class: "section-head" }, h("h2", { id: `${kind.key}-title` }, kind.title),
      may(kind.role) && h("button", { type: "button", class: "act", "data-key": `add-${kind.key}`, on: { click: () => dialogs[kind.key]({ done: load }) } }, kind.add)),
    h("p", { class: "sub" }, kind.what), !may(kind.role) && mayNot(kind.role), parts.get(kind.key))));
  return {
    draw(key, rows) { renew(parts.get(key), list(KINDS.find((kind) => kind.key === key), rows, load)); },
    failed(error) { renew(trouble, error && notice(error)); },
  };
}

export const keys = KINDS.map((kind) => kind.key);

function list(kind, rows, load) {
  const now = rows.filter((r) => r.state !== "expired");
  const over = rows.filter((r) => r.state === "expired");
  return [
    now.length === 0 ? h("p", { class: "quiet" }, "None.") : h("ul", { class: "standing plain" }, now.map((r) => row(kind, r, load))),
    over.length > 0 && h("details", { "data-key": `over-${kind.key}` }, h("summary", null, "Over ", h("span", { class: "num quiet" }, count(over.length))),
      h("ul", { class: "standing plain" }, over.slice(0, 200).map((r) => row(kind, r, load)))),
  ];
}

function row(kind, r, load) {
  const [tone, glyph, word] = PHASE[r.state] ?? ["plain", "?", words(r.state)];
  return h("li", null,
    h("span", { class: `chip ${tone}` }, h("span", { class: "glyph", "aria-hidden": "true" }, glyph), ` ${word}`),
    h("div", null, h("p", { class: "matchers" }, kind.of(r).map((text) => [h("code", null, text), " "])),
      h("p", { class: "sub" }, "by ", h("strong", null, said(r.author)), " ", moment(r.at), r.reason && [": ", said(r.reason)]),
      r.ended && h("p", { class: "sub" }, "ended by ", h("strong", null, said(r.ended.author)), " ", moment(r.ended.at), r.ended.text && [": ", said(r.ended.text)])),
    h("p", { class: "sub when" }, r.state === "pending" && ["from ", moment(r.starts_at), " "], r.ends_at ? ["until ", moment(r.ends_at)] : "no end"),
    r.state !== "expired" && may(kind.role) && h("button", { type: "button", class: "act", "data-key": `end-${r.id}`, "aria-label": `${kind.end}: ${kind.of(r).join(", ")}`, on: { click: () => end(kind, r, load) } }, kind.end));
}

function end(kind, r, load) {
  ask({
    title: `${kind.end}: ${kind.of(r).join(", ")}`, submit: kind.end,
    send: async (v, key) => { await decide("DELETE", `/api/v1/${kind.key}/${encodeURIComponent(r.id)}`, { author: v.author, reason: v.reason }, key); load(); },
  });
}

const lines = (text) => String(text ?? "").split("\n").map((line) => line.trim()).filter(Boolean);

function matchers(name, label, value) {
  return h("p", { class: "field" }, h("label", { for: `ask-${name}` }, label),
    h("textarea", { id: `ask-${name}`, name, rows: 2, required: true, spellcheck: "false", class: "code", placeholder: "service=payment" }, value ?? ""),
    h("span", { class: "sub" }, "One a line, all must match: service=payment, alertname=~\"Disk.*\""));
}

const starts = () => input("starts", "Begins (UTC, empty: now)", { type: "datetime-local" });

function times(data) {
  const start = data.get("starts");
  return { duration: data.get("duration"), ...(start ? { starts_at: `${start.length === 16 ? `${start}:00` : start}Z` } : {}) };
}

function adding(path, title, text, fields, read, done) {
  ask({
    title, text, fields, submit: title,
    send: async (v, key) => done(await decide("POST", `/api/v1/${path}`, { author: v.author, reason: v.reason, ...read(v.data) }, key)),
  });
}

export function silenceDialog({ matchers: value, done }) {
  adding("silences", "Add silence", KINDS[0].what, [matchers("matchers", "Alerts", value), choice("duration", "For", LENGTHS, "2h"), starts()],
    (data) => ({ matchers: lines(data.get("matchers")), ...times(data) }), done);
}

function maintenanceDialog({ done }) {
  adding("maintenance", "Add maintenance", KINDS[1].what, [
    h("p", { class: "field" }, h("label", { for: "ask-services" }, "Services, one a line"), h("textarea", { id: "ask-services", name: "services", rows: 3, required: true, spellcheck: "false" })),
    choice("duration", "For", LENGTHS, "2h"), starts()],
  (data) => ({ services: lines(data.get("services")), ...times(data) }), done);
}

function inhibitionDialog({ done }) {
  adding("inhibitions", "Add inhibition", KINDS[2].what, [matchers("source", "While this fires"), matchers("target", "these tell nobody"),
    input("equal", "Where these labels agree", { autocomplete: "off" }, "Separated by commas; may be empty.")],
  (data) => ({ source: lines(data.get("source")), target: lines(data.get("target")), equal: String(data.get("equal")).split(",").map((x) => x.trim()).filter(Boolean) }), done);
}

