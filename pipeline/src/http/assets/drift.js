// The map's drift: what was declared and never seen, and the other way round. The report's lists
// are shown as tables whatever their columns are, so the report may grow.

import { h, renew, said } from "./dom.js";
import { count, words } from "./format.js";

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
  const lists = Object.entries(report).filter(([, value]) => Array.isArray(value));
  const facts = Object.entries(report).filter(([, value]) => value === null || typeof value !== "object");
  return [
    facts.length > 0 && h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, words(name)), h("dd", { class: "num" }, said(value))))),
    lists.map(([name, rows]) => h("section", null, h("h2", null, words(name), " ", h("span", { class: "num quiet" }, count(rows.length))), table(rows))),
    lists.length === 0 && facts.length === 0 && h("p", null, "The map and the calls agree."),
  ];
}

function table(rows) {
  if (rows.length === 0) return h("p", { class: "quiet" }, "None.");
  const cells = rows.slice(0, 500).map((row) => (row !== null && typeof row === "object" ? row : { name: row }));
  const columns = [...new Set(cells.flatMap(Object.keys))];
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, h("table", null,
    h("thead", null, h("tr", null, columns.map((c) => h("th", { scope: "col" }, words(c))))),
    h("tbody", null, cells.map((row) => h("tr", null, columns.map((c) => h("td", null, said(text(row[c])))))))),
  rows.length > 500 && h("p", { class: "quiet" }, `and ${count(rows.length - 500)} more in /api/v1/topology/drift`));
}

function text(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : value;
}
