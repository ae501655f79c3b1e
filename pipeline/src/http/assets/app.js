// Which page, and its life: load once, then follow the event stream.

import { h, renew } from "./dom.js";
import { clockText, now, tell, tick } from "./format.js";
import { driftPage } from "./drift.js";
import { incidentPage } from "./incident.js";
import { listPage } from "./list.js";
import { keys, silencesPage } from "./silences.js";
import { meet, signIn, stillKnown } from "./who.js";

const main = document.getElementById("main");

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (answer.status === 401) signIn();
  const body = await answer.json().catch(() => null);
  if (!answer.ok) {
    const error = new Error(body?.error?.message ?? `the server answered ${answer.status}`);
    error.status = answer.status;
    error.action = body?.error?.action;
    throw error;
  }
  return body;
}

function problem(title, error) {
  return h("div", { class: "empty" }, h("p", { class: "lead" }, title),
    h("p", { class: "quiet" }, error.action ?? "The page tries again by itself."));
}

/** Runs at most once in a while, and never two at a time. */
function paced(work, pauseMs) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    try { await work(); } finally {
      setTimeout(() => { running = false; if (again) { again = false; run(); } }, pauseMs);
    }
  };
}

function live(text, on) {
  const box = document.getElementById("live");
  box.classList.toggle("on", on);
  box.firstElementChild.textContent = on ? "\u25cf" : "\u25cb";
  document.getElementById("live-text").textContent = text;
}

function follow(page) {
  const source = new EventSource("/api/v1/events");
  source.addEventListener("open", () => { live("Live", true); page.load(); });
  source.addEventListener("error", () => {
    const ended = source.readyState === EventSource.CLOSED;
    live(ended ? "Disconnected" : "Reconnecting", false);
    // A browser gives up for good when it is refused.
    if (ended) stillKnown();
  });
  source.addEventListener("heartbeat", (event) => { tell(JSON.parse(event.data).now); beat(); });
  source.addEventListener("reload", () => page.load());
  source.addEventListener("revision", (event) => {
    const { now: at, incident } = JSON.parse(event.data);
    tell(at);
    page.news(incident);
  });
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

function beat() {
  tick();
  renew(document.getElementById("clock"), h("span", { class: "num" }, clockText(now())), " UTC");
}

function startList() {
  const page = listPage(main);
  const draw = paced(async () => page.draw(), 250);
  return {
    load: paced(async () => {
      const body = await ask("/api/v1/incidents?limit=1000");
      tell(body.now);
      page.clear();
      body.incidents.forEach(page.put);
      page.loaded();
      beat();
    }, 500),
    news: (summary) => { page.put(summary); announce(summary); draw(); },
  };
}

const known = new Set();
function announce(summary) {
  const key = `${summary.id} ${summary.state}`;
  if (known.has(key)) return;
  known.add(key);
  document.getElementById("news").textContent = `${summary.state}: ${summary.title}`;
}

function startIncident(given) {
  let id = given;
  const page = incidentPage(main);
  const load = paced(async () => {
    try {
      const incident = await ask(`/api/v1/incidents/${encodeURIComponent(id)}`);
      id = incident.id;
      page.draw(incident);
      beat();
    } catch (error) {
      if (error.status === 404 || error.status === 400) renew(main, problem("This incident is not here.", error));
    }
  }, 700);
  return { load, news: (summary) => { if (summary.id === id) { announce(summary); load(); } } };
}

/** Acts are in the view as soon as they are durable, so the list is asked again after each. */
function startSilences() {
  let page = null;
  const load = paced(async () => {
    try {
      const lists = await Promise.all(keys.map((key) => ask(`/api/v1/${key}`)));
      keys.forEach((key, i) => { tell(lists[i].now); page.draw(key, lists[i][key]); });
      page.failed(null);
      beat();
    } catch (error) {
      page.failed(error);
    }
  }, 500);
  page = silencesPage(main, load);
  setInterval(load, 10_000);
  return { load, news: () => {} };
}

function startDrift() {
  const page = driftPage(main);
  const load = paced(async () => {
    try { page.draw(await ask("/api/v1/topology/drift")); } catch (error) { if (error.status === 404) page.draw(null); }
  }, 5000);
  return { load, news: () => load() };
}

const PAGES = { "/drift": startDrift, "/silences": startSilences };

async function start() {
  await meet().catch(() => {});
  const path = location.pathname;
  const id = path.match(/^\/incidents\/([^/]+)$/)?.[1];
  const page = id ? startIncident(decodeURIComponent(id).toLowerCase()) : (PAGES[path] ?? startList)();
  const current = path in PAGES ? path.slice(1) : "list";
  document.querySelector(`nav [data-page="${current}"]`)?.setAttribute("aria-current", id ? "true" : "page");
  follow(page);
  setInterval(beat, 1000);
}

start();
