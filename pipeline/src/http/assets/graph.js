// The blast radius as a picture: callers on the left, callees on the right. Roles are told by
// colour, glyph and outline together; the same stands in a table below.

import { clean, h, s, said } from "./dom.js";
import { count, percent, plural } from "./format.js";

const ROLES = {
  cause: { glyph: "\u25c6", word: "Cause" },
  observed: { glyph: "\u25cf", word: "Reached" },
  predicted: { glyph: "\u25d0", word: "Will be reached" },
  healthy: { glyph: "\u25cb", word: "Healthy neighbour" },
};
const COLUMN_MAX = 14;
const WIDE = { width: 148, height: 26, gapX: 44, gapY: 10, margin: 12, label: 18 };
const DENSE = { width: 112, height: 24, gapX: 26, gapY: 8, margin: 12, label: 12 };
const DENSE_FROM = 40;

/** The picture, its legend and its table. */
export function reach(incident) {
  const { graph } = incident.blast_radius;
  if (graph.nodes.length === 0) return h("p", { class: "quiet" }, "The map knows no neighbours.");
  const notes = facts(incident);
  const detail = h("p", { class: "node-detail", "aria-live": "polite" }, "Choose a service to see its calls. Arrow keys move between services.");
  const layout = place(graph);
  return [
    legend(graph),
    h("div", { class: "graph-box", "data-scroll": "graph" }, picture(graph, layout, incident, notes, detail)),
    detail,
    h("details", { "data-key": "graph-table" }, h("summary", null, "The same as a table ", h("span", { class: "num quiet" }, count(graph.nodes.length))), table(graph, notes)),
  ];
}

function facts(incident) {
  const { observed, predicted, graph } = incident.blast_radius;
  const notes = new Map();
  for (const o of observed) notes.set(o.service, `on ${plural(o.traces, "failing or slow trace")}`);
  for (const p of predicted) notes.set(p.service, `${percent(p.probability)} of its requests pass the cause`);
  const callers = new Map(graph.nodes.map((n) => [n.id, []]));
  const callees = new Map(graph.nodes.map((n) => [n.id, []]));
  for (const edge of graph.edges) {
    callees.get(edge.from)?.push(edge.to);
    callers.get(edge.to)?.push(edge.from);
  }
  return { notes, callers, callees };
}

/** Columns by longest path from the callers; edges that would close a circle are left out. */
function place(graph) {
  const size = graph.nodes.length < DENSE_FROM ? WIDE : DENSE;
  const out = new Map(graph.nodes.map((n) => [n.id, []]));
  for (const { from, to } of graph.edges) if (from !== to && out.has(from) && out.has(to)) out.get(from).push(to);
  const depth = depths(graph.nodes, out);
  const layers = [];
  for (const node of graph.nodes) (layers[depth.get(node.id)] ??= []).push(node.id);
  for (let i = 0; i < layers.length; i += 1) layers[i] ??= [];
  order(layers, graph.edges);
  const columns = layers.flatMap((layer) => {
    const parts = Math.max(1, Math.ceil(layer.length / COLUMN_MAX));
    const share = Math.ceil(layer.length / parts);
    return Array.from({ length: parts }, (_, i) => layer.slice(i * share, (i + 1) * share));
  }).filter((column) => column.length > 0);
  const rows = Math.max(...columns.map((c) => c.length));
  const at = new Map();
  columns.forEach((column, x) => {
    const top = (rows - column.length) / 2;
    column.forEach((id, y) => at.set(id, {
      x: size.margin + 14 + x * (size.width + size.gapX),
      y: size.margin + (top + y) * (size.height + size.gapY),
    }));
  });
  return {
    at,
    size,
    width: 2 * size.margin + 14 + columns.length * (size.width + size.gapX) - size.gapX,
    height: 2 * size.margin + rows * (size.height + size.gapY) - size.gapY,
  };
}

function depths(nodes, out) {
  const state = new Map();
  const finished = [];
  const forward = new Map(nodes.map((n) => [n.id, []]));
  for (const root of nodes) {
    if (state.has(root.id)) continue;
    const stack = [[root.id, 0]];
    state.set(root.id, 1);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const next = out.get(top[0])[top[1]];
      top[1] += 1;
      if (next === undefined) {
        state.set(top[0], 2);
        finished.push(top[0]);
        stack.pop();
      } else if (state.get(next) !== 1) {
        forward.get(top[0]).push(next);
        if (!state.has(next)) { state.set(next, 1); stack.push([next, 0]); }
      }
    }
  }
  const depth = new Map(nodes.map((n) => [n.id, 0]));
  for (const id of finished.reverse()) {
    for (const next of forward.get(id)) depth.set(next, Math.max(depth.get(next), depth.get(id) + 1));
  }
  return depth;
}

/** A few sweeps of the barycentre rule: neighbours come to stand beside each other. */
function order(layers, edges) {
  const near = new Map();
  for (const { from, to } of edges) {
    near.set(from, [...(near.get(from) ?? []), to]);
    near.set(to, [...(near.get(to) ?? []), from]);
  }
  const position = new Map();
  const note = (layer) => layer.forEach((id, i) => position.set(id, (i + 0.5) / layer.length));
  layers.forEach(note);
  for (let sweep = 0; sweep < 6; sweep += 1) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const mean = new Map(layer.map((id) => {
        const around = (near.get(id) ?? []).map((other) => position.get(other) ?? 0.5);
        return [id, around.length ? around.reduce((a, b) => a + b, 0) / around.length : position.get(id)];
      }));
      layer.sort((a, b) => mean.get(a) - mean.get(b) || (a < b ? -1 : 1));
      note(layer);
    }
  }
}

function picture(graph, layout, incident, notes, detail) {
  const role = new Map(graph.nodes.map((n) => [n.id, n.role]));
  const path = incident.hypotheses[0]?.path ?? [];
  const failing = new Set(path.slice(1).map((caller, i) => `${caller}\n${path[i]}`));
  const edges = graph.edges.filter((e) => e.from !== e.to && layout.at.has(e.from) && layout.at.has(e.to))
    .map((edge) => ({ ...edge, element: curve(edge, layout, edgeClass(edge, role, failing)) }));
  const groups = new Map(graph.nodes.map((node) => [node.id, box(node, layout, notes)]));
  const choose = (id) => {
    for (const { from, to, element } of edges) element.classList.toggle("lit", from === id || to === id);
    for (const [other, group] of groups) {
      group.classList.toggle("chosen", other === id);
      group.setAttribute("tabindex", other === id ? "0" : "-1");
    }
    detail.replaceChildren(h("strong", null, said(id)), " ", said(describe(graph.nodes.find((n) => n.id === id), notes)));
  };
  for (const [id, group] of groups) {
    group.addEventListener("focus", () => choose(id));
    group.addEventListener("click", () => group.focus());
    group.addEventListener("keydown", (event) => {
      const next = neighbour(id, event.key, layout.at, notes);
      if (next === null) return;
      event.preventDefault();
      groups.get(next).focus();
    });
  }
  const start = graph.nodes.find((n) => n.role === "cause") ?? graph.nodes[0];
  groups.get(start.id).setAttribute("tabindex", "0");
  return s("svg", { class: "graph", width: layout.width, height: layout.height, viewBox: `0 0 ${layout.width} ${layout.height}`, role: "group",
    "aria-label": `Service graph of ${plural(graph.nodes.length, "service")}: callers left, callees right` },
  edges.map((e) => e.element), [...groups.values()]);
}

function edgeClass(edge, role, failing) {
  if (failing.has(`${edge.from}\n${edge.to}`)) return "edge failing";
  const hurt = (id) => role.get(id) !== "healthy";
  return hurt(edge.from) && hurt(edge.to) ? "edge hurt" : "edge";
}

function curve(edge, { at, size }, name) {
  const a = at.get(edge.from);
  const b = at.get(edge.to);
  const [x1, y1, x2, y2] = [a.x + size.width, a.y + size.height / 2, b.x, b.y + size.height / 2];
  const bend = Math.max(24, Math.abs(x2 - x1) / 2);
  return s("path", { class: name, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
}

function box(node, layout, notes) {
  const { size } = layout;
  const at = layout.at.get(node.id);
  const { glyph } = ROLES[node.role] ?? ROLES.healthy;
  const name = clean(node.id);
  const label = [...name].length > size.label ? `${[...name].slice(0, size.label - 1).join("")}\u2026` : name;
  return s("g", { class: `node ${node.role}`, transform: `translate(${at.x} ${at.y})`, tabindex: "-1", role: "img",
    "data-key": `node-${node.id}`, "aria-label": `${name}: ${describe(node, notes)}` },
  s("title", null, `${name}: ${describe(node, notes)}`),
  node.entry && s("path", { class: "entry-mark", d: `M-14 ${size.height / 2 - 5}l8 5l-8 5z` }),
  s("rect", { class: "shape", width: size.width, height: size.height, rx: node.role === "cause" ? 0 : 5 }),
  node.role === "cause" && s("rect", { class: "double", x: -3.5, y: -3.5, width: size.width + 7, height: size.height + 7 }),
  s("text", { x: 9, y: size.height / 2 + 4.5, class: "mark" }, glyph),
  s("text", { x: 25, y: size.height / 2 + 4.5 }, label));
}

function describe(node, { notes, callers, callees }) {
  const list = (names) => (names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", "));
  const parts = [(ROLES[node.role] ?? ROLES.healthy).word.toLowerCase()];
  if (notes.has(node.id)) parts.push(notes.get(node.id));
  if (node.entry) parts.push("users enter here");
  if (callers.get(node.id).length) parts.push(`called by ${list(callers.get(node.id))}`);
  if (callees.get(node.id).length) parts.push(`calls ${list(callees.get(node.id))}`);
  return `${parts.join("; ")}.`;
}

/** The nearest node in the direction of an arrow key; left and right follow calls where there are any. */
function neighbour(id, key, at, { callers, callees }) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!way) return null;
  const here = at.get(id);
  let best = null;
  const tied = new Set([...callers.get(id), ...callees.get(id)]);
  for (const [other, there] of at) {
    const [dx, dy] = [there.x - here.x, there.y - here.y];
    const along = dx * way[0] + dy * way[1];
    if (other === id || along <= 0) continue;
    const cost = along + 3 * Math.abs(way[0] === 0 ? dx : dy) + (way[0] !== 0 && !tied.has(other) ? 100_000 : 0);
    if (best === null || cost < best.cost) best = { other, cost };
  }
  return best?.other ?? null;
}

function legend(graph) {
  const used = Object.entries(ROLES).filter(([role]) => graph.nodes.some((n) => n.role === role));
  return h("ul", { class: "legend plain" },
    used.map(([role, { glyph, word }]) => h("li", null, h("span", { class: `swatch ${role}`, "aria-hidden": "true" }, glyph), ` ${word}`)),
    graph.nodes.some((n) => n.entry) && h("li", null, h("span", { class: "swatch bare", "aria-hidden": "true" }, "\u25b6"), " Users enter here"),
    h("li", { class: "quiet" }, "Callers left, callees right"));
}

function table(graph, notes) {
  const rank = Object.keys(ROLES);
  const nodes = [...graph.nodes].sort((a, b) => rank.indexOf(a.role) - rank.indexOf(b.role) || (a.id < b.id ? -1 : 1));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Services", "data-scroll": "graph-table", "data-key": "graph-table-box" }, h("table", null,
    h("thead", null, h("tr", null, ["Service", "Role", "What is known", "Calls"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", null, nodes.map((n) => h("tr", null, h("th", { scope: "row" }, said(n.id)),
      h("td", null, `${(ROLES[n.role] ?? ROLES.healthy).glyph} ${(ROLES[n.role] ?? ROLES.healthy).word}`),
      h("td", null, [notes.notes.get(n.id), n.entry && "users enter here"].filter(Boolean).join("; ")),
      h("td", null, notes.callees.get(n.id).map((c, i) => [i > 0 && ", ", said(c)])))))));
}

/** Brings the cause into the middle of a picture that is larger than its frame. */
export function centre(main) {
  const frame = main.querySelector(".graph-box");
  const cause = frame?.querySelector("g.node.cause .shape");
  if (!cause) return;
  const [outer, inner] = [frame.getBoundingClientRect(), cause.getBoundingClientRect()];
  frame.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  frame.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
}
