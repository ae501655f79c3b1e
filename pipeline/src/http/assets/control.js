// What can be decided about one incident: the bar of actions, and what became of each. A decision
// is shown as pending until a revision shows it; nothing is claimed before.

import { h, renew, said } from "./dom.js";
import { LENGTHS, ask, boxes, choice, input, notice } from "./dialog.js";
import { author, decide, newKey } from "./decide.js";
import { causeOf } from "./voices.js";
import { silenceDialog } from "./silences.js";
import { may, mayNot } from "./who.js";

/** After so long without a revision the reader is told that it takes longer than it should. */
const SLOW_MS = 20_000;
const DONE_MS = 6_000;

const live = (incident) => incident.state === "open" || incident.state === "suspected";

/** The bar; `update` takes each revision, `confirm` and `reject` are for hypotheses. */
export function controls() {
  const bar = h("div", { class: "acts", role: "group", "aria-label": "Decide" });
  const log = h("div", { class: "pending", role: "status" });
  const box = h("div", { class: "controls" }, bar, log);
  let incident = null;
  let entries = [];

  function draw() {
    renew(bar, buttons(incident));
    renew(log, entries.map(line));
  }

  function buttons(it) {
    const { people } = it;
    const go = (key, text, run, primary) => h("button", { type: "button", class: primary ? "go" : "act", "data-key": `do-${key}`, on: { click: run } }, text);
    if (it.state === "merged") return [];
    if (!may("responder")) return [mayNot("responder")];
    if (it.state === "withdrawn") return [go("comment", "Comment", comment)];
    const open = live(it);
    return [
      open && (people.acknowledged
        ? go("unack", "Unacknowledge", () => atOnce("unacknowledge", "Unacknowledge", (x) => !x.people.acknowledged))
        : go("ack", "Acknowledge", () => atOnce("acknowledge", "Acknowledge", (x) => x.people.acknowledged), true)),
      go("assign", "Assign", assign),
      open && (people.snoozed_until
        ? go("unsnooze", "End snooze", () => atOnce("unsnooze", "End snooze", (x) => !x.people.snoozed_until))
        : go("snooze", "Snooze", snooze)),
      go("comment", "Comment", comment),
      open ? go("resolve", "Resolve", resolve) : go("reopen", "Reopen", reopen, true),
      open && go("merge", "Merge", merge),
      open && it.services.length > 1 && go("split", "Split", split),
      open && go("silence", "Silence its alerts", () => silenceDialog({ matchers: silenceOf(it), done: () => settled("Silence") })),
    ];
  }

  function line(entry) {
    const { state, title, error } = entry;
    const away = () => { entries = entries.filter((e) => e !== entry); draw(); };
    if (state === "failed") {
      return h("div", { class: "pending-row" }, notice({ message: `${title}: ${error.message}`, action: error.action }),
        error.again && h("button", { type: "button", class: "act", "data-key": `again-${entry.key}`, on: { click: () => { away(); submit(entry); } } }, "Try again"),
        h("button", { type: "button", class: "act", "data-key": `away-${entry.key}`, on: { click: away } }, "Dismiss"));
    }
    const words = {
      sending: "is being sent.", waiting: "is written down. Waiting for the revision that shows it.",
      slow: "is written down, but no revision shows it yet. The correlator may be behind, or it changed nothing; see /readyz.", done: "is done.",
    };
    return h("p", { class: `pending-line ${state}` }, h("span", { class: "glyph", "aria-hidden": "true" }, state === "done" ? "\u2713" : "\u25cc"), " ", h("strong", null, title), " ", words[state]);
  }

  /** Sends, and keeps a line about it. Throws what went wrong only to a dialog that can show it. */
  async function submit(entry, dialogShown) {
    entry.state = "sending";
    if (!dialogShown) { entries.push(entry); draw(); }
    try {
      const answer = await decide("POST", `/api/v1/incidents/${encodeURIComponent(incident.id)}/${entry.verb}`, entry.body, entry.key);
      entry.act = answer.act.id;
      // What was taken by an earlier try may have been shown already.
      entry.after = answer.repeated ? 0 : answer.revision;
      entry.state = "waiting";
      if (dialogShown) entries.push(entry);
      setTimeout(() => { if (entry.state === "waiting") { entry.state = "slow"; draw(); } }, SLOW_MS);
      check();
    } catch (error) {
      if (dialogShown) throw error;
      Object.assign(entry, { state: "failed", error });
    }
    draw();
  }

  function check() {
    for (const entry of entries) {
      if ((entry.state !== "waiting" && entry.state !== "slow") || incident.revision <= entry.after || !entry.shows(incident, entry.act, entry.body)) continue;
      entry.state = "done";
      setTimeout(() => { entries = entries.filter((e) => e !== entry); draw(); }, DONE_MS);
    }
  }

  function settled(title) {
    entries.push({ state: "done", title, key: newKey() });
    draw();
    const entry = entries.at(-1);
    setTimeout(() => { entries = entries.filter((e) => e !== entry); draw(); }, DONE_MS);
  }

  /** What needs no words is done with one press, once it is known who presses. */
  function atOnce(verb, title, shows) {
    const entry = (by, reason, key) => ({ verb, title, shows, key, body: { author: by, reason } });
    if (author()) return submit(entry(author(), "", newKey()));
    return ask({ title, submit: title, send: (v, key) => submit(entry(v.author, v.reason, key), true) });
  }

  function asked(verb, title, options, fields, shows) {
    ask({ title, submit: title, ...options, send: (v, key) => submit({ verb, title, shows, key, body: { author: v.author, reason: v.reason, ...fields(v.data) } }, true) });
  }

  const assign = () => asked("assign", "Assign", { text: "To a person or a team. Empty takes it back.", fields: [input("to", "Assign to", { value: incident.people.assignee ?? author(), maxlength: 200, autocomplete: "off" })] },
    (data) => ({ to: data.get("to").trim() || null }), (x, act, body) => (x.people.assignee ?? null) === body.to);
  const snooze = () => asked("snooze", "Snooze", { text: "Nobody is told of it until then, unless its priority rises.", fields: [choice("duration", "For", LENGTHS, "1h")] },
    (data) => ({ duration: data.get("duration") }), (x) => x.people.snoozed_until);
  const comment = () => asked("comment", "Comment", { reason: "Comment", needsReason: true }, () => ({}),
    (x, act) => x.people.comments.some((c) => c.act === act));
  const resolve = () => asked("resolve", "Resolve", { text: "It is over, whatever the evidence says. Something new opens it again." }, () => ({}),
    (x) => x.state === "resolved");
  const reopen = () => asked("reopen", "Reopen", { text: "It is not over. It stays open until a person resolves it." }, () => ({}), live);

  async function merge() {
    let others = [];
    try {
      const body = await (await fetch("/api/v1/incidents?state=open,suspected&limit=200")).json();
      others = body.incidents.filter((x) => x.id !== incident.id && x.cell === incident.cell);
    } catch { /* The id can be typed. */ }
    const options = others.map((x) => [x.id, `${x.priority} ${x.title} (${x.id.slice(0, 8)})`]);
    const which = options.length > 0 ? choice("into", "Into", options, options[0][0]) : input("into", "Into the incident with the id", { required: true, autocomplete: "off" });
    asked("merge", "Merge", { text: "This one becomes part of the other.", fields: [which] }, (data) => ({ into: data.get("into").trim() }), (x) => x.state === "merged");
  }

  const split = () => asked("split", "Split", { text: "The chosen services become an incident of their own and stay apart. Leave at least one.", fields: [boxes("services", "Services that leave", incident.services)] },
    (data) => ({ services: data.getAll("services") }), (x, act, body) => !body.services.some((name) => x.services.includes(name)));

  function verdict(verb, title, hypothesis, yes) {
    const cause = causeOf(hypothesis);
    const what = cause.service === null ? "None of ours" : cause.change === null ? cause.service : `${cause.service}: ${hypothesis.change.title}`;
    asked(verb, title, { text: [said(what), ". Later rankings learn from it."] }, () => ({ cause }),
      (x, act) => x.people.verdicts.some((v) => v.said.act === act && v.is_cause === yes));
  }

  return {
    box,
    update(next) { incident = next; check(); draw(); },
    confirm: (hypothesis) => verdict("confirm-cause", "This was the cause", hypothesis, true),
    reject: (hypothesis) => verdict("reject-cause", "This was not the cause", hypothesis, false),
  };
}

/** Matchers that cover the services of an incident. */
function silenceOf(incident) {
  const plain = incident.services.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return incident.services.length === 1 ? `service="${quoted(incident.services[0])}"` : `service=~"${quoted(plain.join("|"))}"`;
}

const quoted = (text) => text.replace(/["\\]/g, "\\$&");

