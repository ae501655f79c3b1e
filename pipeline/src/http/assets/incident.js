// The page of one incident, in the order of a tired person's questions.

import { clean, h, outside, renew, s, said } from "./dom.js";
import {
  CAUSE, CHANGE, PRIORITY, apart, count, entityText, leaning, likelihood, moment, percent, plural, signed,
  stateChip, tell, ticking, words,
} from "./format.js";
import { controls } from "./control.js";
import { centre, reach } from "./graph.js";
import { peopleChips, verdictMarks, voices } from "./voices.js";
import { may } from "./who.js";

const TERMS = {
  prior: "How often such causes are to blame", error_origin: "Errors begin here", slow_self: "Slow in itself",
  slow_edge: "Slow on the way there", log_path: "Unusual logs", orphan_calls: "Calls without an answer",
  silence: "Fewer calls than expected", metric: "Metrics out of range",
  complaint: "Others complain about it", platform: "The platform says so", alerts: "Alerts of monitors",
  coverage: "Explains the failing traces", common_cause: "Its dependants fail together",
  absent: "What it should have caused and did not", deeper: "Shown by something it needs as well", change_time: "Time between change and onset",
  change_locality: "Where the change was made", change_split: "Old version against new",
  change_content: "What the change touched",
};

export function incidentPage(main) {
  let centred = false;
  const [top, rest, deciding] = [h("div", null), h("div", null), controls()];
  return {
    draw(incident) {
      tell(incident.updated_at);
      document.title = clean(`${incident.priority} ${incident.title} - faultline`);
      if (!main.contains(top)) renew(main, top, deciding.box, rest);
      renew(top, head(incident));
      deciding.update(incident);
      renew(rest, h("div", { class: "questions" },
        broken(incident), causes(incident, deciding), why(incident), reaches(incident), changed(incident), spoken(incident),
        h("div", { class: "pair" }, owner(incident), ticket(incident)), details(incident)));
      if (!centred) centre(main);
      centred = true;
    },
  };
}

function section(id, title, ...content) {
  return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), content);
}

function head(incident) {
  const { lineage } = incident;
  return h("header", { class: "incident-head" },
    h("p", { class: "crumb" }, h("a", { href: "/", "data-key": "crumb" }, "Incidents"), " / ", h("code", null, incident.id)),
    h("h1", null, said(incident.title)),
    h("p", { class: "facts-line" }, stateChip(incident.state),
      h("span", { class: `prio prio-${incident.priority}` }, `${incident.priority} ${PRIORITY[incident.priority]}`),
      h("span", null, "began ", moment(incident.onset_at), incident.resolved_at === null && [", ", ticking(incident.onset_at, " ago")]),
      incident.resolved_at && h("span", null, "quiet since ", moment(incident.resolved_at), ", ", ticking(incident.resolved_at, " ago")),
      h("span", { class: "quiet num" }, `revision ${incident.revision}`)),
    decided(incident),
    lineage.merged_into && h("p", { class: "notice" }, "It became part of ", link(lineage.merged_into), "."),
    lineage.split_from && h("p", { class: "notice" }, "It was split from ", link(lineage.split_from), "."),
    lineage.merged_from.length > 0 && h("p", { class: "quiet" }, "Other incidents became part of it: ",
      lineage.merged_from.map((id, i) => [i > 0 && ", ", link(id)])),
    lineage.reopened > 0 && h("p", { class: "quiet" }, `Reopened ${plural(lineage.reopened, "time")}.`));
}

function decided(incident) {
  const chips = peopleChips(incident.people, incident.state);
  return chips.length > 0 && h("p", { class: "chips" }, chips.map((chip) => [chip, " "]));
}

function link(id) {
  return h("a", { href: `/incidents/${encodeURIComponent(id)}`, "data-key": `to-${id}` }, h("code", null, id));
}

function broken(incident) {
  const { entry_points: entries, impact, lost_requests: lost, terms } = incident.blast_radius;
  return section("broken", "What is broken, and for whom",
    h("p", { class: "narrative" }, said(incident.narrative || incident.title)),
    entries.length > 0
      ? h("div", { class: "scroll", "data-scroll": "entries", tabindex: "0", role: "region", "aria-label": "Where users suffer", "data-key": "entries" },
        h("table", null,
          h("caption", null, "Where users suffer"),
          h("thead", null, h("tr", null, h("th", { scope: "col" }, "Entry"), h("th", { scope: "col", class: "r" }, "Affected"),
            h("th", { scope: "col", class: "r" }, "Of requests"), h("th", { scope: "col", class: "r wide" }, "Share of traffic"), h("th", { scope: "col", class: "wide" }, "Tier"))),
          h("tbody", null, entries.slice(0, 12).map((entry) => h("tr", null,
            h("th", { scope: "row" }, said(entry.service), " ", h("span", { class: "quiet" }, said(entry.operation))),
            h("td", { class: "r num strong" }, percent(entry.requests > 0 ? entry.affected / entry.requests : entry.degradation)),
            h("td", { class: "r num" }, `${count(entry.affected)} / ${count(entry.requests)}`),
            h("td", { class: "r num wide" }, percent(entry.traffic_share)),
            h("td", { class: "wide" }, entry.criticality ? words(entry.criticality) : h("span", { class: "quiet" }, "not said")))))))
      : h("p", { class: "quiet" }, "No entry point is known to suffer."),
    h("p", { class: "sub" }, h("span", { class: "num" }, plural(lost, "request")), " lost since the onset. Impact ",
      h("span", { class: "num" }, Math.round(impact)), " of 100."),
    terms.length > 0 && fold("terms", "How the impact is counted", null, h("ul", { class: "terms" }, terms.map((t) => h("li", null, said(t))))));
}

function fold(key, title, number, ...content) {
  return h("details", { "data-key": key }, h("summary", null, title, number !== null && [" ", h("span", { class: "num quiet" }, count(number))]), content);
}

function causes(incident, deciding) {
  const [first, ...others] = incident.hypotheses;
  if (!first) return section("cause", "What most likely caused it", h("p", { class: "quiet" }, "There is no hypothesis yet."));
  return section("cause", "What most likely caused it, and how sure",
    h("div", { class: "first" },
      h("p", { class: "sure" }, h("span", { class: "num big" }, percent(first.probability)), h("span", { class: "words" }, likelihood(first.probability))),
      h("div", null,
        h("p", { class: "culprit" }, said(entityText(first.entity)), first.kind !== "none" && h("span", { class: "kind" }, CAUSE[first.kind] ?? words(first.kind))),
        first.change && change(first.change, incident),
        h("p", null, said(first.summary)), verdict(first, incident, deciding),
        first.path.length > 1 && h("p", { class: "path" }, h("span", { class: "quiet" }, "Failure runs "), first.path.map((name, i) => [i > 0 && h("span", { class: "quiet" }, " \u2192 "), said(name)])))),
    confidence(incident),
    others.length > 0 && [h("h3", null, "What else it could be"), h("ol", { class: "others plain", start: 2 }, others.map((o) => other(o, incident, deciding)))]);
}

/** What people said of a hypothesis, and the two words that they can say. */
function verdict(hypothesis, incident, deciding) {
  const button = (key, text, run) => h("button", { type: "button", class: "act small", "data-key": `${key}-${hypothesis.rank}`, on: { click: () => run(hypothesis) } }, text);
  const open = incident.state !== "merged" && incident.state !== "withdrawn";
  return h("p", { class: "verdict" }, verdictMarks(hypothesis, incident).map((mark) => [mark, " "]),
    open && may("responder") && [button("yes", "This was the cause", deciding.confirm), " ", button("no", "This was not", deciding.reject)]);
}

function confidence(incident) {
  const size = incident.confidence_set_size;
  if (size <= 0) return null;
  const what = size === 1 ? "The first alone holds" : `The first ${size} together hold`;
  return h("p", { class: "sub" }, `${what} 90 % of the probability, of ${plural(incident.hypotheses.length, "hypothesis", "hypotheses")} weighed.`);
}

function change(it, incident) {
  return h("p", { class: "change" }, h("span", { class: "tag" }, CHANGE[it.kind] ?? words(it.kind)), " ",
    it.url ? outside(it.url, it.title) : said(it.title),
    h("span", { class: "sub" }, " at ", moment(it.at), ", ", apart(it.at, incident.onset_at), " the trouble began",
      it.author && [", by ", said(it.author)]));
}

function other(hypothesis, incident, deciding) {
  return h("li", null, h("details", { "data-key": `h-${hypothesis.rank}` },
    h("summary", null, h("span", { class: "num rank" }, `${hypothesis.rank}.`),
      h("span", { class: "num p" }, percent(hypothesis.probability)),
      h("span", { class: "who" }, said(entityText(hypothesis.entity)), hypothesis.kind !== "none" && h("span", { class: "quiet" }, ` ${CAUSE[hypothesis.kind] ?? words(hypothesis.kind)}`),
        hypothesis.change && [h("span", { class: "quiet" }, ": "), said(hypothesis.change.title)],
        verdictMarks(hypothesis, incident).map((mark) => [" ", mark]))),
    h("div", { class: "folded" }, hypothesis.change && change(hypothesis.change, incident), h("p", null, said(hypothesis.summary)),
      verdict(hypothesis, incident, deciding),
      hypothesis.lacks && h("p", { class: "sub" }, "What it lacks: ", said(hypothesis.lacks)), ledger(hypothesis, incident))));
}

function why(incident) {
  const first = incident.hypotheses[0];
  if (!first) return section("why", "Why", h("p", { class: "quiet" }, "There is no evidence yet."));
  return section("why", "Why",
    h("p", { class: "sub" }, "The evidence adds up to ", h("span", { class: "num" }, signed(first.log_odds)),
      " nats (1 nat makes it 2.7 times as likely). Open a line to see what it rests on."),
    ledger(first, incident));
}

function ledger(hypothesis, incident) {
  const most = Math.max(1, ...hypothesis.evidence.map((e) => Math.abs(e.nats)));
  return h("ol", { class: "ledger plain" }, hypothesis.evidence.map((evidence, i) => h("li", null, entry(hypothesis.rank, i, evidence, most, incident))));
}

function entry(rank, index, evidence, most, incident) {
  const line = [
    h("span", { class: `num weight ${leaning(evidence.nats)}` }, signed(evidence.nats), h("span", { class: "side" }, ` ${leaning(evidence.nats)}`)),
    bar(evidence.nats / most),
    h("span", { class: "what" }, h("span", { class: "term" }, TERMS[evidence.term] ?? words(evidence.term)), h("span", { class: "says" }, said(evidence.text))),
  ];
  const rests = evidence.traces.length + evidence.alerts.length + evidence.changes.length;
  if (rests === 0) return h("div", { class: "entry" }, line);
  return h("details", { class: "entry-box", "data-key": `e-${rank}-${index}-${evidence.term}` }, h("summary", { class: "entry" }, line), restsOn(evidence, incident));
}

function restsOn(evidence, incident) {
  const alerts = new Map(incident.alerts.map((a) => [a.fingerprint, a]));
  const changes = new Map(incident.hypotheses.filter((x) => x.change).map((x) => [x.change.id, x.change]));
  return h("dl", { class: "rests" },
    evidence.traces.length > 0 && h("div", null, h("dt", null, plural(evidence.traces.length, "trace")), evidence.traces.map((id) => h("dd", null, h("code", null, id)))),
    evidence.alerts.length > 0 && h("div", null, h("dt", null, plural(evidence.alerts.length, "alert")), evidence.alerts.slice(0, 20).map((id) => h("dd", null, alerts.has(id) ? alert(alerts.get(id)) : h("code", null, id))),
      evidence.alerts.length > 20 && h("dd", { class: "quiet" }, `and ${count(evidence.alerts.length - 20)} more`)),
    evidence.changes.length > 0 && h("div", null, h("dt", null, plural(evidence.changes.length, "change")), evidence.changes.map((id) => h("dd", null, changes.has(id) ? change(changes.get(id), incident) : h("code", null, id)))));
}

function bar(share) {
  const width = Math.max(1, Math.abs(share) * 48);
  return s("svg", { class: "bar-nats", viewBox: "0 0 100 10", "aria-hidden": "true" },
    s("rect", { class: share < 0 ? "against" : "for", x: share < 0 ? 50 - width : 50, y: 2, width, height: 6 }),
    s("line", { x1: 50, x2: 50, y1: 0, y2: 10 }));
}

function reaches(incident) {
  const { observed, predicted } = incident.blast_radius;
  return section("reach", "What else it reaches",
    h("p", { class: "sub" }, h("span", { class: "num" }, plural(observed.length, "service")), " on failing or slow traces",
      predicted.length > 0 ? [", ", h("span", { class: "num" }, count(predicted.length)), " more will probably suffer."] : "."),
    reach(incident));
}

function changed(incident) {
  return section("changed", "What changed, and when",
    incident.timeline.length === 0 ? h("p", { class: "quiet" }, "Nothing is known.")
      : h("ol", { class: "timeline plain" }, incident.timeline.map((item) => h("li", { class: `at-${item.kind}` },
        h("span", { class: "num when" }, moment(item.at)),
        h("span", { class: "kind" }, words(item.kind)),
        h("span", null, item.service && [h("strong", null, said(item.service)), " "], said(item.text))))));
}

function spoken(incident) {
  return section("people", "What people said", voices(incident));
}

function owner(incident) {
  const { assignee } = incident.people;
  return section("owner", "Who owns it", incident.owner ? h("p", { class: "strong" }, said(incident.owner))
    : h("p", { class: "quiet" }, "The map names no owner for the most likely cause."),
  assignee && h("p", null, h("span", { class: "quiet" }, "Assigned to "), h("strong", null, said(assignee))),
  incident.cause_items.length > 0 && h("p", { class: "sub" }, "The cause is known as ", incident.cause_items.map((item, at) => [
    at > 0 && ", ", h("code", null, said(item.id)), " in ", said(item.source)])));
}

function ticket(incident) {
  return section("ticket", "Where the ticket is", incident.tickets.length === 0 ? h("p", { class: "quiet" }, "There is no ticket.")
    : h("ul", { class: "plain" }, incident.tickets.map((t) => h("li", null, h("span", { class: "strong" }, t.url ? outside(t.url, t.number ?? t.id) : said(t.number ?? t.id)), h("span", { class: "quiet" }, " in ", said(t.sink))))));
}

function details(incident) {
  return section("details", "Everything else",
    fold("symptoms", "Symptoms", incident.symptoms.length, symptoms(incident)),
    fold("alerts", "Alerts", incident.alerts.length, groups(incident.alerts)),
    fold("traces", "Traces that show it", incident.exemplars.length, h("ul", { class: "plain" }, incident.exemplars.map((id) => h("li", null, h("code", null, id))))),
    h("p", { class: "sub" }, h("a", { href: `/api/v1/incidents/${encodeURIComponent(incident.id)}`, "data-key": "json" }, "The record as JSON"), ", ",
      h("a", { href: `/api/v1/incidents/${encodeURIComponent(incident.id)}/revisions`, "data-key": "revisions" }, "its revisions")));
}

function symptoms(incident) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Symptoms", "data-scroll": "symptoms", "data-key": "symptoms-table" }, h("table", null,
    h("thead", null, h("tr", null, ["Entity", "Test", "What"].map((t) => h("th", { scope: "col" }, t)), ["Hits", "Nats"].map((t) => h("th", { scope: "col", class: "r" }, t)), h("th", { scope: "col" }, "Since"))),
    h("tbody", null, incident.symptoms.map((x) => h("tr", null,
      h("th", { scope: "row" }, said(x.entity.id)), h("td", null, words(x.kind)), h("td", null, said(x.detail)),
      h("td", { class: "r num" }, `${count(x.hits)} / ${count(x.trials)}`), h("td", { class: "r num" }, signed(x.nats)), h("td", { class: "num" }, moment(x.first_at)))))));
}

/** Alerts by service, then by rule: hundreds become a few lines. */
function groups(alerts) {
  const services = new Map();
  for (const a of alerts) {
    const rules = services.get(a.service ?? "") ?? services.set(a.service ?? "", new Map()).get(a.service ?? "");
    (rules.get(a.name) ?? rules.set(a.name, []).get(a.name)).push(a);
  }
  return [...services].sort(([a], [b]) => a.localeCompare(b)).map(([service, rules]) => {
    const all = [...rules.values()].flat();
    return h("details", { class: "group", "data-key": `as-${service}` },
      h("summary", null, service ? said(service) : "No service named", " ", h("span", { class: "num quiet" }, plural(all.length, "alert"), `, ${count(firing(all))} firing`)),
      [...rules].map(([rule, list]) => list.length === 1 ? h("p", { class: "one" }, alert(list[0]))
        : h("details", { class: "group", "data-key": `ar-${service}-${rule}` },
          h("summary", null, said(rule), " ", h("span", { class: "num quiet" }, `${count(list.length)}, ${count(firing(list))} firing`)),
          list.map((a) => h("p", { class: "one" }, alert(a))))));
  });
}

const firing = (alerts) => alerts.filter((a) => a.status === "firing").length;

function alert(a) {
  const on = a.status === "firing";
  return [h("span", { class: `chip small ${on ? "bad" : "good"}` }, h("span", { class: "glyph", "aria-hidden": "true" }, on ? "\u25cf" : "\u2713"), on ? " firing" : " resolved"), " ",
    h("strong", null, a.url ? outside(a.url, a.name) : said(a.name)), " ", a.service && said(a.service), " ", h("span", { class: "quiet num" }, moment(a.starts_at)),
    a.flapping && " (flapping)", h("span", { class: "says" }, said(a.summary))];
}
