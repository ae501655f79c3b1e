// The map's drift: what was declared and never seen, and the other way round. The report's lists
// are shown as tables whatever their columns are, so the report may grow: what is not named here is told by
// its own name.

import { h, renew, said } from "./dom.js";
import { count, words } from "./format.js";

/** What lists, figures and columns are called; lists come in this order, and so do the first columns. */
const LISTS = {
  declared_never_seen: "Declared and never seen", seen_never_declared: "Seen and never declared",
  declared_items_never_seen: "Declared items that telemetry never showed", seen_items_never_declared: "Seen items that no map declares",
};
const FACTS = { agreed: "Dependencies on which both agree", omitted: "Rows that did not fit" };
const COLUMNS = {
  from: "From", to: "To", name: "Name", calls: "Calls", confidence: "Confidence left", declared_panes_ago: "Declared, panes ago",
  first_seen_panes_ago: "First seen, panes ago", last_seen_panes_ago: "Last seen, panes ago",
};

/** The names of an object, those of a vocabulary first and in its order. */
function inOrder(names, vocabulary) {
  const known = Object.keys(vocabulary).filter((name) => names.includes(name));
  return [...known, ...names.filter((name) => !known.includes(name))];
}

export function driftPage(main) {
  const body = h("div", null, h("p", { class: "quiet" }, "Loading."));
  renew(main, h("h1", null, "Map drift"),
    h("p", { class: "lead" }, "Where the imported map and the calls that were seen disagree."), body);
  return {
    draw: (report) => renew(body, report ? sections(report) : h("div", { class: "empty" },
      h("p", { class: "lead" }, "There is no report yet."),
      h("p", { class: "quiet" }, "It appears after a topology was imported and traces have been seen."))),
  };
}

function sections(report) {
  const named = (vocabulary, is) => inOrder(Object.keys(report), vocabulary).filter((name) => is(report[name]))
    .map((name) => [vocabulary[name] ?? words(name), report[name]]);
  const lists = named(LISTS, Array.isArray);
  const facts = named(FACTS, (value) => value === null || typeof value !== "object");
  return [
    facts.length > 0 && h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", { class: "num" }, said(value))))),
    lists.map(([name, rows]) => h("section", null, h("h2", null, name, " ", h("span", { class: "num quiet" }, count(rows.length))), table(rows))),
    lists.length === 0 && facts.length === 0 && h("p", null, "The map and the calls agree."),
  ];
}

function table(rows) {
  if (rows.length === 0) return h("p", { class: "quiet" }, "None.");
  const cells = rows.slice(0, 500).map((row) => (row !== null && typeof row === "object" ? row : { name: row }));
  const columns = inOrder([...new Set(cells.flatMap(Object.keys))], COLUMNS);
  const isNumber = (c) => cells.every((row) => typeof (row[c] ?? 0) === "number");
  const place = (c) => (isNumber(c) ? { class: "r num" } : null);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, h("table", { class: "names" },
    h("thead", null, h("tr", null, columns.map((c) => h("th", { scope: "col", ...place(c) }, COLUMNS[c] ?? words(c))))),
    h("tbody", null, cells.map((row) => h("tr", null, columns.map((c) => h("td", place(c), said(text(row[c])))))))),
  rows.length > 500 && h("p", { class: "quiet" }, `and ${count(rows.length - 500)} more in /api/v1/topology/drift`));
}

function text(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? count(value) : value.toFixed(2);
  return typeof value === "object" ? JSON.stringify(value) : value;
}
