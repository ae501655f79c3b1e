"""Mutants of the evidence of a round that held: each breaks one promise, and the checker has to say which.

A mutant takes the parsed evidence and a die, changes it, and is named with the violation that must be found.
"""

import base64
import copy
import json

import check


def edited(record, change):
    value = json.loads(record["value"])
    change(value)
    return {**record, "value": json.dumps(value).encode()}


def alerts_of_journal(evidence):
    """The alerts of the journal with their places, after each entry got a record of its own."""
    journal = evidence.topics["journal"]
    evidence.topics["journal"] = [{**record, "value": line} for record in journal for line in record["value"].split(b"\n")]
    found = []
    for place, record in enumerate(evidence.topics["journal"]):
        entry = json.loads(record["value"])
        if isinstance(entry["record"], dict) and "Alert" in entry["record"]:
            found.append((place, entry))
    return found


def lose_an_alert(evidence, dice):
    _, lost = dice.choice(alerts_of_journal(evidence))
    same = [place for place, entry in alerts_of_journal(evidence) if entry["position"] == lost["position"]]
    evidence.topics["journal"] = [r for place, r in enumerate(evidence.topics["journal"]) if place not in same]


def alter_an_alert(evidence, dice):
    place, _ = dice.choice(alerts_of_journal(evidence))
    journal = evidence.topics["journal"]

    def change(entry):
        entry["record"]["Alert"]["starts_at"] = "2001-01-01T00:00:00.000Z"

    journal[place] = edited(journal[place], change)


def invent_an_alert(evidence, dice):
    place, _ = dice.choice(alerts_of_journal(evidence))
    journal = evidence.topics["journal"]
    journal.append(edited(journal[place], lambda entry: entry["position"].update(item=77)))


def last_with_alerts(evidence, dice):
    """A final incident with alerts, and the places of its last revision in the topic."""
    choices = [i for i in check.newest(evidence).values() if i["alerts"] and i["state"] not in check.GONE]
    incident = dice.choice(sorted(choices, key=lambda i: i["id"]))
    topic = evidence.topics["incidents"]
    told = [json.loads(record["value"]) for record in topic]
    return incident, [p for p, i in enumerate(told) if (i["id"], i["revision"]) == (incident["id"], incident["revision"])]


def change_last(evidence, places, change):
    for place in places:
        evidence.topics["incidents"][place] = edited(evidence.topics["incidents"][place], change)


def member_twice(evidence, dice):
    _, places = last_with_alerts(evidence, dice)
    change_last(evidence, places, lambda incident: incident["alerts"].append(incident["alerts"][0]))


def member_of_two(evidence, dice):
    incident, places = last_with_alerts(evidence, dice)
    newest = sorted((i for i in check.newest(evidence).values() if i["state"] not in check.GONE), key=lambda i: i["id"])
    other = next(i for i in newest if i["id"] != incident["id"] and i["alerts"])
    change_last(evidence, places, lambda incident: incident["alerts"].append(other["alerts"][0]))


def member_of_none(evidence, dice):
    choices = [i for i in check.newest(evidence).values() if i["alerts"] and i["state"] not in check.GONE]
    gone = dice.choice(sorted(choices, key=lambda i: i["id"]))["alerts"][0]["fingerprint"]

    def change(incident):
        incident["alerts"] = [alert for alert in incident["alerts"] if alert["fingerprint"] != gone]

    change_last(evidence, range(len(evidence.topics["incidents"])), change)


def other_cause(evidence, dice):
    _, places = last_with_alerts(evidence, dice)
    change_last(evidence, places, lambda incident: incident["hypotheses"][0].update(probability=0.123))


def skip_a_revision(evidence, dice):
    keys = [key for key, copies in check.revisions(evidence).items() if copies[0][1]["revision"] > 1]
    newest = check.newest(evidence)
    lost = dice.choice(sorted(key for key in keys if newest[key[0]]["revision"] > key[1]))
    topic = evidence.topics["incidents"]
    evidence.topics["incidents"] = [r for r in topic if (lambda i: (i["id"], i["revision"]))(json.loads(r["value"])) != lost]


def two_contents(evidence, dice):
    record = dice.choice(evidence.topics["incidents"])
    evidence.topics["incidents"].append(edited(record, lambda incident: incident.update(title="another")))


def another_key(evidence, dice):
    dice.choice(evidence.topics["incidents"])["key"] = "0000000000000000"


def one_incident_too_many(evidence, dice):
    record = next(r for r in evidence.topics["incidents"] if json.loads(r["value"])["revision"] == 1)
    made = edited(record, lambda incident: incident.update(id="feedfeedfeedfeed", alerts=[], state="suspected"))
    evidence.topics["incidents"].append({**made, "key": "feedfeedfeedfeed"})


def lose_a_letter(evidence, dice):
    letters = evidence.topics["dead-letters"]
    lost = dict(dice.choice(letters)["headers"])
    place = [lost[f"faultline.{name}"] for name in ("topic", "partition", "offset")]
    evidence.topics["dead-letters"] = [
        letter for letter in letters
        if [dict(letter["headers"])[f"faultline.{name}"] for name in ("topic", "partition", "offset")] != place
    ]


def alter_a_letter(evidence, dice):
    dice.choice(evidence.topics["dead-letters"])["value"] += b"!"


def letter_of_a_good_record(evidence, dice):
    good = dice.choice([r for r in evidence.ledger if r["what"] == "story"])
    headers = {
        "faultline.topic": evidence.run["topics"][good["topic"]], "faultline.partition": str(good["partition"]),
        "faultline.offset": str(good["offset"]), "faultline.reason": "none",
    }
    evidence.topics["dead-letters"].append({"headers": list(headers.items()), "value": b"x"})


def answered(evidence):
    return [r for r in evidence.webhook if r["fate"] == "answered"]


def data(request):
    return json.loads(request["body"])["data"]


def last_told_live(evidence, dice):
    told = (i for i in check.newest(evidence).values() if check.calls(i))
    return dice.choice(sorted(i["id"] for i in told if i["state"] in ("open", "resolved")))


def page_lost(evidence, dice):
    incident = last_told_live(evidence, dice)
    evidence.webhook = [r for r in evidence.webhook if not r.get("body") or data(r)["id"] != incident]


def page_for_nothing(evidence, dice):
    """An incident that was told was never more than suspected."""
    incident = last_told_live(evidence, dice)

    def only_suspected(value):
        value["timeline"] = [entry for entry in value["timeline"] if not entry["text"].startswith("open")]

    evidence.topics["incidents"] = [
        edited(record, only_suspected) if json.loads(record["value"])["id"] == incident else record
        for record in evidence.topics["incidents"]
    ]


def last_page_lost(evidence, dice):
    """Of an incident that was told at least twice, and whose last telling said something else."""
    live = {i["id"] for i in check.newest(evidence).values() if i["state"] in ("open", "resolved")}
    by = {}
    for request in evidence.webhook:
        if request["fate"] in ("answered", "lost", "killed") and data(request)["id"] in live:
            by.setdefault(data(request)["id"], []).append(data(request))
    several = [i for i, told in by.items() if any(check.plain(one) != check.plain(told[-1]) for one in told)]
    incident = dice.choice(sorted(several))
    last = check.plain(by[incident][-1])
    evidence.webhook = [r for r in evidence.webhook if check.plain(data(r)) != last]


def page_doubled(evidence, dice):
    page = dice.choice(answered(evidence))
    kills = sum(fault["what"] == "kill" and fault["target"] == "deliver" for fault in evidence.faults)
    place = evidence.webhook.index(page)
    evidence.webhook[place:place] = [page] * (kills + 1)


def page_with_two_bodies(evidence, dice):
    page = dice.choice(answered(evidence))
    evidence.webhook.append({**page, "body": page["body"] + " "})


def page_of_yesterday(evidence, dice):
    told = {}
    for request in answered(evidence):
        told.setdefault(data(request)["id"], []).append(request)
    several = [requests for requests in told.values() if data(requests[0])["revision"] < data(requests[-1])["revision"]]
    evidence.webhook.append(dice.choice(several)[0])


def page_unsigned(evidence, dice):
    dice.choice(answered(evidence))["signature"] = "v1,AAAA"


def second_ticket(evidence, dice):
    evidence.tickets.append({**dice.choice(evidence.tickets), "sys_id": "f" * 32})


def ticket_of_nothing(evidence, dice):
    evidence.tickets.append({**dice.choice(evidence.tickets), "correlation_id": "feedfeedfeedfeed"})


def live_ticket(evidence, dice):
    live = {i["id"] for i in check.newest(evidence).values() if i["state"] == "resolved"}
    return dice.choice([ticket for ticket in evidence.tickets if ticket["correlation_id"] in live])


def no_ticket(evidence, dice):
    evidence.tickets.remove(live_ticket(evidence, dice))


def ticket_left_open(evidence, dice):
    live_ticket(evidence, dice)["state"] = "2"


def left_in_doubt(evidence, dice):
    deliveries = evidence.topics["deliveries"]
    said = {r["key"]: r for r in deliveries if "attempted" in json.loads(r["value"])}
    record = said[dice.choice(sorted(said))]
    deliveries.append(edited(record, lambda value: value.update(attempted=value["revision"] + 1)))


def hurried(evidence, dice):
    last = evidence.webhook[-1]
    ended = last["ended"] + 1000
    evidence.webhook.append({**last, "fate": "refused", "at": ended, "ended": ended, "retry_after": 5})
    evidence.webhook.append({**last, "at": ended + 1, "ended": ended + 1})


def record_lost(evidence, dice):
    topic = evidence.topics["otlp_spans"]
    topic.remove(dice.choice(topic))


def ended_by_himself(evidence, dice):
    evidence.faults.append({"at": 0, "what": "exit", "target": "detect", "code": 1, "said": "", "excused": False})


MUTANTS = (
    (record_lost, "ledger"),
    (lose_an_alert, "alert-lost"),
    (alter_an_alert, "alert-altered"),
    (invent_an_alert, "alert-invented"),
    (member_twice, "alert-doubled"),
    (member_of_two, "alert-doubled"),
    (member_of_none, "alert-in-none"),
    (other_cause, "final-differs"),
    (one_incident_too_many, "final-differs"),
    (skip_a_revision, "revision-gap"),
    (two_contents, "two-contents"),
    (another_key, "key"),
    (lose_a_letter, "poison-missing"),
    (alter_a_letter, "poison-altered"),
    (letter_of_a_good_record, "neighbour"),
    (page_lost, "untold"),
    (page_for_nothing, "called-for-nothing"),
    (last_page_lost, "told-old"),
    (page_doubled, "page-doubled"),
    (page_with_two_bodies, "two-bodies"),
    (page_of_yesterday, "went-back"),
    (page_unsigned, "signature"),
    (second_ticket, "second-ticket"),
    (ticket_of_nothing, "second-ticket"),
    (no_ticket, "no-ticket"),
    (ticket_left_open, "ticket-state"),
    (left_in_doubt, "in-doubt"),
    (hurried, "not-obeyed"),
    (ended_by_himself, "exit"),
)


def copied(whole):
    """A copy whose lists and records may be changed; the ledger is only read."""
    other = copy.copy(whole)
    for name in ("faults", "webhook", "itsm", "tickets"):
        setattr(other, name, [dict(entry) for entry in getattr(whole, name)])
    own = ("journal", "incidents", "deliveries", "dead-letters")
    other.topics = {
        name: [dict(record) for record in records] if name in own else list(records)
        for name, records in whole.topics.items()
    }
    return other


def missed(folder, dice):
    """The mutants that the checker does not find, by name; each begins from the whole evidence."""
    whole, failed = check.Evidence(folder), []
    for mutant, violation in MUTANTS:
        mutated = copied(whole)
        mutant(mutated, dice)
        if not any(name == violation for name, _ in check.check(mutated)):
            failed.append(mutant.__name__)
    return failed
