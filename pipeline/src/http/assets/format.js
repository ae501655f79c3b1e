// Numbers, times and words for people. Times are UTC; ages count against event time, which in a
// demo or a replay is not the wall clock's.

import { h } from "./dom.js";

const clock = { event: 0 };

/** Event time moves forward only. */
export function tell(now) {
  const at = Date.parse(now ?? "");
  if (at > clock.event) clock.event = at;
}

/** Event time now, in milliseconds; it follows the wall clock where the two are close. */
export function now() {
  const wall = Date.now();
  if (clock.event === 0) return wall;
  return Math.abs(wall - clock.event) < 300_000 ? Math.max(wall, clock.event) : clock.event;
}

/** How long ago, in at most two units. */
export function age(from, to = now()) {
  return length((to - Date.parse(from)) / 1000);
}

function length(exact) {
  const seconds = Math.max(0, Math.floor(exact));
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

/** `HH:MM:SS`, with the date if it is not today's in event time. */
export function clockText(at) {
  const text = new Date(at).toJSON() ?? "";
  const today = new Date(now()).toJSON() ?? "";
  const hms = text.slice(11, 19);
  return text.slice(0, 10) === today.slice(0, 10) ? hms : `${text.slice(0, 10)} ${hms}`;
}

/** A moment in UTC. */
export function moment(at) {
  return h("time", { datetime: at, title: `${at} UTC` }, clockText(at));
}

/** An age that goes on counting. */
export function ticking(from, suffix = "") {
  return h("time", { datetime: from, title: `${from} UTC`, "data-age": from, "data-suffix": suffix },
    age(from) + suffix);
}

/** Lets all ages count on. */
export function tick() {
  for (const element of document.querySelectorAll("[data-age]")) {
    const text = age(element.dataset.age) + element.dataset.suffix;
    if (element.textContent !== text) element.textContent = text;
  }
}

/** The time between two moments, in words that say the order. */
export function apart(from, to) {
  const ms = Date.parse(to) - Date.parse(from);
  const between = length(Math.abs(ms) / 1000);
  return ms >= 0 ? `${between} before` : `${between} after`;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value) => whole.format(value ?? 0);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A share between 0 and 1. Never says 0 % or 100 % of what is not exactly that. */
export function percent(share) {
  const value = (share ?? 0) * 100;
  if (value > 0 && value < 1) return "<1 %";
  if (value < 100 && value > 99) return ">99 %";
  return `${whole.format(value)} %`;
}

export function signed(nats) {
  const side = leaning(nats);
  return `${side === "against" ? "\u2212" : side === "for" ? "+" : ""}${Math.abs(nats).toFixed(1)}`;
}

/** On which side evidence is, as far as one decimal shows. */
export function leaning(nats) {
  if (Math.abs(nats) < 0.05) return "neither";
  return nats < 0 ? "against" : "for";
}

/** A probability in words. */
export function likelihood(p) {
  if (p >= 0.95) return "almost certain";
  if (p >= 0.8) return "very likely";
  if (p >= 0.6) return "likely";
  if (p >= 0.35) return "possible";
  if (p >= 0.1) return "less likely";
  return "unlikely";
}

export const words = (snake) => String(snake ?? "").replaceAll("_", " ");

export const STATE = {
  open: { glyph: "\u25cf", word: "Open", tone: "bad" },
  suspected: { glyph: "\u25d0", word: "Suspected", tone: "warn" },
  resolved: { glyph: "\u2713", word: "Resolved", tone: "good" },
  merged: { glyph: "\u21b3", word: "Merged", tone: "plain" },
  withdrawn: { glyph: "\u2013", word: "Withdrawn", tone: "plain" },
};

export const PRIORITY = { P1: "critical", P2: "high", P3: "moderate", P4: "low" };

export const CHANGE = {
  deploy: "deploy", rollback: "rollback", config: "config change", feature_flag: "feature flag",
  certificate: "certificate", migration: "migration", scale: "scaling",
  infrastructure: "infrastructure change", commit: "commit", other: "change",
};

export const CAUSE = {
  change: "a change", code: "its own code or data", resource: "a resource that ran out",
  unavailable: "it does not answer", network: "the network on the way to it",
  external: "a party outside", traffic: "more load than it can carry", none: "none of these",
};

/** State as a chip: colour, glyph and word. */
export function stateChip(state) {
  const { glyph, word, tone } = STATE[state] ?? { glyph: "?", word: words(state), tone: "plain" };
  return h("span", { class: `chip ${tone}` }, h("span", { class: "glyph", "aria-hidden": "true" }, glyph), ` ${word}`);
}

/** Who a hypothesis blames, in words. */
export function entityText(entity) {
  if (entity.kind === "nothing") return "None of these";
  if (entity.kind === "operation") return entity.id;
  return entity.id || entity.service;
}
