#!/usr/bin/env python3
"""The checker of a chaos run: reads the evidence that one round left and says what was broken.

It shares no code with the product, and uses nothing but Python: it knows the topics' bytes, what the
generator wrote down when it produced (the ledger), and what the doubles of the destinations saw.

    check.py EVIDENCE     prints every violation; exit code 1 if there is one

EVIDENCE is a folder (see evidence.py). `mutants.py` holds this program to finding what it has to find.
"""

import base64
import hashlib
import hmac
import json
import sys
from collections import Counter, defaultdict
from datetime import datetime
from functools import lru_cache
from pathlib import Path

INPUTS = ("otlp_spans", "otlp_logs", "otlp_metrics", "alerts", "changes", "topology")
# What may differ between two runs over the same records: ids, revision numbers, moments of decision, and
# the tickets, which a replay does not make.
FREE_FIELDS = {
    "id", "revision", "opened_at", "updated_at", "resolved_at", "merged_into", "merged_from", "split_from", "tickets",
}
# What an update by our own bookkeeping alone changes in an incident: nobody is told of that.
BOOKKEEPING = {"revision", "updated_at", "tickets"}
GONE = ("merged", "withdrawn")
# A dead letter holds at most so much of its record.
LETTER_BYTES_MAX = 900_000


def lines(path):
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as text:
        return [json.loads(line) for line in text]


class Evidence:
    """What a round left, parsed. `value` of records is bytes."""

    def __init__(self, folder):
        folder = Path(folder)
        self.run = json.loads((folder / "run.json").read_text())
        self.ledger = lines(folder / "ledger.jsonl")
        self.expected = lines(folder / "expected.jsonl")
        self.faults = lines(folder / "faults.jsonl")
        self.webhook = lines(folder / "webhook.jsonl")
        self.itsm = lines(folder / "itsm.jsonl")
        self.tickets = lines(folder / "tickets.jsonl")
        self.topics = {}
        for name in (*INPUTS, "journal", "incidents", "deliveries", "dead-letters"):
            self.topics[name] = lines(folder / "topics" / f"{name}.jsonl")
            for record in self.topics[name]:
                if "value" in record:
                    record["value"] = base64.b64decode(record["value"])


@lru_cache(maxsize=50_000)
def parsed(value):
    """JSON that is read again and again, and never changed."""
    return json.loads(value)


@lru_cache(maxsize=50_000)
def at_ms(text):
    """RFC 3339 in milliseconds since 1970."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def ledger_is_in_the_topics(evidence):
    """The generator's own promise: else the run says nothing."""
    produced = {(r["topic"], r["partition"], r["offset"]): r["sha256"] for r in evidence.ledger}
    found = {}
    for topic in INPUTS:
        for record in evidence.topics[topic]:
            found[(topic, record["partition"], record["offset"])] = record["sha256"]
    for place in sorted(produced.keys() - found.keys()):
        yield "ledger", f"produced and not in its topic: {place}"
    for place in sorted(found.keys() - produced.keys()):
        yield "ledger", f"in its topic and never produced: {place}"
    for place in sorted(produced.keys() & found.keys()):
        if produced[place] != found[place]:
            yield "ledger", f"other bytes than were produced: {place}"


def journal_alerts(evidence):
    """Every alert of the journal by its input position: (topic, partition, offset, item) -> list of alerts."""
    alerts = defaultdict(list)
    for record in evidence.topics["journal"]:
        # The alerts of one request may share a record: one entry a line.
        for line in record["value"].split(b"\n"):
            entry = parsed(line)
            kind = entry["record"]
            if isinstance(kind, dict) and "Alert" in kind:
                position = entry["position"]
                place = (position["topic"], position["partition"], position["offset"], position["item"])
                alerts[place].append(kind["Alert"])
    return alerts


def labels_of(alert):
    """The labels of a journal's alert as a dict; they are written as an object or as pairs."""
    labels = alert["labels"]
    return dict(labels if isinstance(labels, dict) else [tuple(pair) for pair in labels])


def produced_alerts(evidence):
    for record in evidence.ledger:
        if record["topic"] == "alerts" and record["what"] != "poison":
            for item, alert in enumerate(record["alerts"]):
                place = (evidence.run["topics"]["alerts"], record["partition"], record["offset"], item)
                yield place, alert


def every_alert_is_in_the_journal_once(evidence):
    """By position: none lost, none invented, none altered, and copies are the same alert."""
    journal = journal_alerts(evidence)
    produced = dict(produced_alerts(evidence))
    for place, alert in produced.items():
        copies = journal.get(place)
        if not copies:
            yield "alert-lost", f"{place} {alert['labels']} is not in the journal"
            continue
        if labels_of(copies[0]) != alert["labels"] or at_ms(copies[0]["starts_at"]) != at_ms(alert["startsAt"]):
            yield "alert-altered", f"{place} says {copies[0]}, produced was {alert}"
        if any(copy != copies[0] for copy in copies):
            yield "alert-altered", f"{place} has copies that differ"
    for place in sorted(journal.keys() - produced.keys()):
        yield "alert-invented", f"nobody produced the alert at {place}"


def revisions(evidence):
    """(incident, revision) -> the distinct contents, in the order of the topic."""
    told = defaultdict(list)
    for record in evidence.topics["incidents"]:
        incident = parsed(record["value"])
        told[(incident["id"], incident["revision"])].append((record, incident))
    return told


def revisions_are_whole(evidence):
    told = revisions(evidence)
    newest = Counter()
    for (incident, revision), copies in told.items():
        newest[incident] = max(newest[incident], revision)
        if any(record["value"] != copies[0][0]["value"] for record, _ in copies):
            yield "two-contents", f"incident {incident} revision {revision} has two contents"
        if any(record["key"] != incident for record, _ in copies):
            yield "key", f"incident {incident} revision {revision} lies under another key"
    for incident, last in newest.items():
        for revision in range(1, last + 1):
            if (incident, revision) not in told:
                yield "revision-gap", f"incident {incident} has no revision {revision} of {last}"


def newest(evidence):
    """The newest revision of each incident."""
    last = {}
    for (incident, revision), copies in revisions(evidence).items():
        if incident not in last or revision > last[incident]["revision"]:
            last[incident] = copies[0][1]
    return last


def canonical(incidents):
    """Incidents without what may differ, as sorted text."""

    def strip(value):
        if isinstance(value, dict):
            free = FREE_FIELDS if "schema_version" in value or "merged_from" in value else ()
            kept = {name: strip(inner) for name, inner in value.items() if name not in free}
            if isinstance(kept.get("timeline"), list):
                kept["timeline"] = [entry for entry in kept["timeline"] if entry.get("kind") != "state"]
            return kept
        if isinstance(value, list):
            return [strip(inner) for inner in value]
        return value

    live = (incident for incident in incidents if incident["state"] not in GONE)
    return sorted(json.dumps(strip(incident), sort_keys=True) for incident in live)


def finals_are_those_of_the_undisturbed_run(evidence):
    told, expected = Counter(canonical(newest(evidence).values())), Counter(canonical(evidence.expected))
    for text in (expected - told).elements():
        yield "final-differs", f"expected and not told: {text[:2000]}"
    for text in (told - expected).elements():
        yield "final-differs", f"told and not expected: {text[:2000]}"


def memberships(incidents):
    """How often each firing (fingerprint, start) is a member of a live incident."""
    live = (incident for incident in incidents if incident["state"] not in GONE)
    return Counter((alert["fingerprint"], alert["starts_at"]) for incident in live for alert in incident["alerts"])


def doubled_undisturbed(evidence):
    """How many firings the undisturbed run lists more than once."""
    return sum(count > 1 for count in memberships(evidence.expected).values())


def every_alert_is_in_one_incident(evidence):
    """Whatever fired is in a final incident, and one firing of it is in no more than one, once."""
    fingerprints = {}
    for copies in journal_alerts(evidence).values():
        key = json.dumps(labels_of(copies[0]), sort_keys=True)
        if fingerprints.setdefault(key, copies[0]["fingerprint"]) != copies[0]["fingerprint"]:
            yield "alert-altered", f"two fingerprints for {key}"
    members = memberships(newest(evidence).values())
    undisturbed = memberships(evidence.expected)
    for firing, count in sorted(members.items()):
        # The fold itself lists some in two: `doubled_undisturbed` counts them, docs/gaps.md says it.
        if count > max(1, undisturbed[firing]):
            yield "alert-doubled", f"{firing} is {count} times a member, undisturbed {undisturbed[firing]} times"
    known = {fingerprint for fingerprint, _ in members}
    fired = {
        json.dumps(alert["labels"], sort_keys=True)
        for _, alert in produced_alerts(evidence)
        if alert["status"] == "firing"
    }
    for key in sorted(fired):
        if fingerprints.get(key) not in known:
            yield "alert-in-none", f"in no final incident: {key}"


def poison_is_in_the_dead_letters_and_nothing_else_is(evidence):
    letters = defaultdict(list)
    for record in evidence.topics["dead-letters"]:
        said = dict(record["headers"])
        place = (said.get("faultline.topic"), int(said["faultline.partition"]), int(said["faultline.offset"]))
        letters[place].append(record)
        if not said.get("faultline.reason"):
            yield "poison-altered", f"the letter of {place} has no reason"
    poison = {}
    for record in evidence.ledger:
        if record["what"] == "poison":
            place = (evidence.run["topics"][record["topic"]], record["partition"], record["offset"])
            poison[place] = base64.b64decode(record["value"])
    for place, value in poison.items():
        if place not in letters:
            yield "poison-missing", f"{place} is in no dead letter: {value[:60]!r}"
        elif any(letter["value"] != value[:LETTER_BYTES_MAX] for letter in letters[place]):
            yield "poison-altered", f"the letter of {place} has other bytes"
    for place in sorted(letters.keys() - poison.keys(), key=str):
        yield "neighbour", f"a good record became a dead letter: {place} {dict(letters[place][0]['headers'])}"


def signed(request, secret):
    content = f"{request['id']}.{request['timestamp']}.".encode() + request["body"].encode()
    made = base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
    return f"v1,{made}" in request["signature"].split(" ")


def plain(incident):
    return {name: value for name, value in incident.items() if name not in BOOKKEEPING}


def calls(incident):
    """Whether somebody was to be called: it was open once, as its timeline tells. What was only suspected is told
    to nobody, also when it is over."""
    states = [entry["text"] for entry in incident["timeline"] if entry["kind"] == "state"]
    return any(text.startswith("open") for text in states)


def the_webhook_heard_every_last_revision_once(evidence):
    """Repeats under one key are what a receiver leaves out; each needs a crash of its own."""
    taken = [request for request in evidence.webhook if request["fate"] in ("answered", "lost", "killed")]
    bodies, answered, last = {}, Counter(), {}
    for request in taken:
        data = parsed(request["body"])["data"]
        if not signed(request, evidence.run["webhook_secret"]):
            yield "signature", f"request {request['n']} is not signed with the key"
        if bodies.setdefault(request["id"], request["body"]) != request["body"]:
            yield "two-bodies", f"two bodies under the key {request['id']}"
        answered[request["id"]] += request["fate"] == "answered"
        if data["id"] in last and data["revision"] < last[data["id"]]["revision"]:
            yield "went-back", f"incident {data['id']}: revision {data['revision']} after {last[data['id']]['revision']}"
        else:
            last[data["id"]] = data
    repeats = sum(count - 1 for count in answered.values() if count > 1)
    kills = sum(fault["what"] == "kill" and fault["target"] == "deliver" for fault in evidence.faults)
    if repeats > kills:
        yield "page-doubled", f"{repeats} repeats of what was answered, but only {kills} kills of deliver"
    for incident in newest(evidence).values():
        heard = last.get(incident["id"])
        if heard is None:
            if incident["state"] in ("open", "resolved") and calls(incident):
                yield "untold", f"incident {incident['id']} ({incident['state']}) was never told"
        elif incident["state"] not in GONE and not calls(incident):
            yield "called-for-nothing", f"incident {incident['id']} was told, and only suspected"
        elif plain(heard) != plain(incident):
            text = f"incident {incident['id']}: last told is {heard['revision']} ({heard['state']})"
            yield "told-old", f"{text}, last is {incident['revision']} ({incident['state']})"


def every_incident_has_one_ticket(evidence):
    tickets = defaultdict(list)
    for ticket in evidence.tickets:
        tickets[ticket["correlation_id"]].append(ticket)
    incidents = newest(evidence)
    for incident, made in sorted(tickets.items()):
        if len(made) > 1:
            yield "second-ticket", f"incident {incident} has {len(made)} tickets"
        if incident not in incidents:
            yield "second-ticket", f"a ticket of {incident}, which is no incident"
    for incident in incidents.values():
        made = tickets.get(incident["id"])
        if made is None and incident["state"] in ("open", "resolved") and calls(incident):
            yield "no-ticket", f"incident {incident['id']} ({incident['state']}) has no ticket"
        elif made and incident["state"] == "resolved" and made[0]["state"] != "6":
            yield "ticket-state", f"incident {incident['id']} is resolved, its ticket has state {made[0]['state']}"


def nothing_is_left_in_doubt(evidence):
    said = {}
    for record in evidence.topics["deliveries"]:
        value = parsed(record["value"])
        if "attempted" in value:
            said[record["key"]] = value
    for key, record in sorted(said.items()):
        if record["attempted"] > record["revision"]:
            yield "in-doubt", f"{key}: revision {record['attempted']} was tried, {record['revision']} is known"


def retry_after_is_obeyed(evidence):
    """No request within the time that an answer asked for, unless deliver was killed meanwhile."""
    deaths = [f["at"] for f in evidence.faults if f["what"] in ("kill", "exit") and f["target"] == "deliver"]
    for requests in (evidence.webhook, evidence.itsm):
        until, since = 0.0, 0.0
        for request in requests:
            excused = any(since <= death <= request["at"] for death in deaths)
            if request["at"] < until - 0.2 and not excused:
                yield "not-obeyed", f"request {request['n']} came {until - request['at']:.1f} s before it was welcome"
            if request.get("retry_after"):
                since, until = request["ended"], request["ended"] + request["retry_after"]


def nobody_ended_by_himself(evidence):
    for fault in evidence.faults:
        if fault["what"] == "exit" and not fault["excused"]:
            yield "exit", f"{fault['target']} ended by itself with {fault['code']}: {fault['said'][-600:]}"


CHECKS = (
    ledger_is_in_the_topics,
    every_alert_is_in_the_journal_once,
    revisions_are_whole,
    finals_are_those_of_the_undisturbed_run,
    every_alert_is_in_one_incident,
    poison_is_in_the_dead_letters_and_nothing_else_is,
    the_webhook_heard_every_last_revision_once,
    every_incident_has_one_ticket,
    nothing_is_left_in_doubt,
    retry_after_is_obeyed,
    nobody_ended_by_himself,
)


def check(evidence):
    """All violations, as (name, what), one after the other."""
    for one in CHECKS:
        yield from one(evidence)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check.py EVIDENCE")
    violations = list(check(Evidence(sys.argv[1])))
    for name, what in violations:
        print(f"{name}: {what}")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
