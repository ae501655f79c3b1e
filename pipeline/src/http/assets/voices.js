// What people decided, as it is shown: chips of a row, marks of a hypothesis, the list of voices.

import { h, said } from "./dom.js";
import { clockText, moment, now, plural } from "./format.js";

/** Chips for what people decided; takes a row of the list, or an incident's `people`. */
export function peopleChips(people, state) {
  const chip = (text, title) => h("span", { class: "chip small people", title }, text);
  const snoozed = people.snoozed_until && Date.parse(people.snoozed_until) > now();
  const held = people.state_held;
  return [
    people.acknowledged && chip(["Acknowledged, ", said(people.acknowledged.author)], people.acknowledged.text || null),
    people.assignee && chip(["Assigned to ", said(people.assignee)]),
    snoozed && chip(["Snoozed until ", clockText(people.snoozed_until)]),
    held && chip([state === "resolved" ? "Resolved by " : "Held open by ", said(held.author)], held.text || null),
    people.muted_by.length > 0 && chip(`Muted by ${plural(people.muted_by.length, "rule")}`),
  ].filter(Boolean);
}

/** What a hypothesis blames, as an act names it. */
export function causeOf(hypothesis) {
  if (hypothesis.entity.kind === "nothing") return { service: null, change: null };
  return { service: hypothesis.entity.service, change: hypothesis.change?.id ?? null };
}

const same = (a, b) => a.service === b.service && a.change === b.change;

/** The verdicts on a hypothesis, the newest word of each person. */
export function verdictsOn(hypothesis, incident) {
  const cause = causeOf(hypothesis);
  const newest = new Map();
  for (const verdict of incident.people.verdicts) if (same(verdict.cause, cause)) newest.set(verdict.said.author, verdict);
  return [...newest.values()];
}

/** Marks of what people said of it. */
export function verdictMarks(hypothesis, incident) {
  return verdictsOn(hypothesis, incident).map(({ is_cause: yes, said: who }) => h("span", { class: `chip small ${yes ? "good" : "bad"}`, title: who.text || null },
    h("span", { class: "glyph", "aria-hidden": "true" }, yes ? "\u2713" : "\u2715"), yes ? " The cause, says " : " Not the cause, says ", said(who.author)));
}

/** Everything that was said, oldest first: comments and verdicts and what holds now. */
export function voices(incident) {
  const { people } = incident;
  const line = (who, what, text) => ({ who, what, text: text ?? who.text });
  const lines = [
    people.acknowledged && line(people.acknowledged, "acknowledged it"),
    people.state_held && line(people.state_held, incident.state === "resolved" ? "resolved it" : "holds it open"),
    ...people.verdicts.map((v) => line(v.said, [v.is_cause ? "says the cause was " : "says the cause was not ", causeText(v.cause)])),
    ...people.comments.map((c) => line(c, "said")),
  ].filter(Boolean).sort((a, b) => a.who.at.localeCompare(b.who.at));
  if (lines.length === 0) return h("p", { class: "quiet" }, "Nobody has said anything yet.");
  return h("ol", { class: "voices plain" }, lines.map(({ who, what, text }) => h("li", null,
    h("p", { class: "sub" }, h("strong", null, said(who.author)), " ", what, " ", moment(who.at), h("span", null, `, by ${who.via}`)),
    text && h("p", { class: "spoken" }, said(text)))));
}

function causeText(cause) {
  if (cause.service === null) return "none of ours";
  return [said(cause.service), cause.change !== null && [", change ", h("code", null, cause.change)]];
}
