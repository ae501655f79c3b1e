// The list of incidents.

import { h, renew, said } from "./dom.js";
import { PRIORITY, STATE, count, entityText, likelihood, percent, plural, stateChip, ticking } from "./format.js";
import { peopleChips } from "./voices.js";

const TABS = [
  ["active", "Active", ["open", "suspected"]],
  ["resolved", "Resolved", ["resolved"]],
  ["all", "All", Object.keys(STATE)],
];
const RANK = { open: 0, suspected: 1, resolved: 2, merged: 3, withdrawn: 4 };

/** The page: takes rows by `put`, keeps them by id, shows them by urgency. */
export function listPage(main) {
  const rows = new Map();
  let tab = "active";
  let query = "";
  let loaded = false;

  const tabs = h("div", { class: "tabs", role: "group", "aria-label": "State" });
  const search = h("input", {
    type: "search", id: "filter", placeholder: "Title, service, ticket", autocomplete: "off",
    on: { input: () => { query = search.value.trim().toLowerCase(); draw(); } },
  });
  const body = h("div", { id: "incidents" });
  renew(main,
    h("div", { class: "head-row" }, h("h1", null, "Incidents")),
    h("div", { class: "tools" }, tabs, h("label", { class: "filter", for: "filter" }, h("span", null, "Filter"), search)),
    body);

  function put(summary) {
    const held = rows.get(summary.id);
    if (!held || held.revision <= summary.revision) rows.set(summary.id, summary);
  }

  function matches(row) {
    if (query === "") return true;
    const texts = [row.id, row.title, row.owner, row.assignee, row.acknowledged?.author, ...row.services, ...row.tickets.map((t) => t.number ?? t.id)];
    return texts.some((text) => String(text ?? "").toLowerCase().includes(query));
  }

  function draw() {
    const all = [...rows.values()];
    renew(tabs, TABS.map(([key, label, states]) => h("button", {
      type: "button", class: "tab", "data-key": `tab-${key}`, "aria-pressed": String(tab === key),
      on: { click: () => { tab = key; draw(); } },
    }, label, " ", h("span", { class: "num" }, count(all.filter((r) => states.includes(r.state)).length)))));
    const states = TABS.find(([key]) => key === tab)[2];
    const shown = all.filter((row) => states.includes(row.state) && matches(row)).sort(byUrgency);
    renew(body, shown.length ? table(shown) : empty(loaded, all.length, query, tab));
  }

  return { put, draw, loaded: () => { loaded = true; draw(); }, clear: () => rows.clear() };
}

function byUrgency(a, b) {
  return RANK[a.state] - RANK[b.state] || a.priority.localeCompare(b.priority)
    || b.opened_at.localeCompare(a.opened_at) || a.id.localeCompare(b.id);
}

function empty(loaded, total, query, tab) {
  if (!loaded) return h("p", { class: "quiet" }, "Loading.");
  if (query) return h("p", { class: "quiet" }, "No incident here matches the filter.");
  if (total && tab !== "all") {
    return h("div", { class: "empty" }, h("p", { class: "lead" }, tab === "active" ? "Nothing is broken." : "Nothing here yet."),
      h("p", { class: "quiet" }, `${plural(total, "other incident")} under All.`));
  }
  return h("div", { class: "empty" },
    h("p", { class: "lead" }, "No incidents yet."),
    h("p", null, "An incident appears here by itself, within seconds, when alerts or telemetry show that something is broken: what it is, whom it hurts and what most likely caused it."),
    h("p", { class: "quiet" }, "faultline needs spans or alerts for that: the topics otlp_spans and alerts, or HTTP on port 4318 and /api/v2/alerts. Try it with ", h("code", null, "faultline demo"), "."));
}

function table(rows) {
  return h("div", { class: "rows" },
    h("div", { class: "row row-head", "aria-hidden": "true" },
      ["State", "Priority", "Incident", "Age", "Services", "Ticket"].map((t) => h("span", null, t))),
    h("ol", { class: "plain" }, rows.map(line)));
}

function line(row) {
  const ended = row.state === "resolved";
  // What was told had begun by then, also where telemetry dates the onset later.
  const began = row.onset_at < row.opened_at ? row.onset_at : row.opened_at;
  return h("li", { class: "row", "data-id": row.id },
    h("span", { class: "c-state" }, stateChip(row.state)),
    h("span", { class: `c-priority prio prio-${row.priority}`, title: PRIORITY[row.priority] }, row.priority),
    h("div", { class: "c-title" },
      h("a", { class: "title", href: `/incidents/${encodeURIComponent(row.id)}`, "data-key": `row-${row.id}` }, said(row.title)),
      row.cause && h("p", { class: "sub" }, cause(row.cause)), decided(row)),
    h("span", { class: "c-age num" }, h("span", { class: "label" }, ended ? "Ended " : "Began "), ticking(ended ? row.resolved_at ?? row.updated_at : began, " ago")),
    h("span", { class: "c-services", title: row.services.join(", ") },
      row.services.length ? [h("span", { class: "num" }, plural(row.services.length, "service")), ", ", h("span", { class: "num" }, plural(row.alerts_count, "alert"))] : "none named"),
    h("span", { class: "c-ticket" }, row.tickets.length ? row.tickets.map((t, i) => [i > 0 && ", ", said(t.number ?? t.id)]) : h("span", { class: "quiet" }, "no ticket")));
}

function decided(row) {
  const chips = peopleChips(row, row.state);
  if (row.comments_count > 0) chips.push(h("span", { class: "sub" }, plural(row.comments_count, "comment")));
  return chips.length > 0 && h("p", { class: "chips" }, chips.map((chip) => [chip, " "]));
}

function cause(leading) {
  if (leading.kind === "none") return [`No known cause: ${likelihood(leading.probability)}, `, percent(leading.probability)];
  const entity = entityText(leading.entity);
  const change = leading.change;
  // Many a change's title begins with the service already.
  const what = change && !change.startsWith(entity) ? `${entity}: ${change}` : change || entity;
  return [said(what), ` (${likelihood(leading.probability)}, ${percent(leading.probability)})`];
}

