"""The traffic of a round: a recorded story, alerts of our own with ids that nobody else has, and poison.

A story is a list of `Item`s in the order of their timestamps. What of it is poison is not in the recording that
the undisturbed run plays.
"""

import base64
import io
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

import zstandard

OWN_SERVICES = 24
# One poison record to so many good ones.
POISON_EVERY = 90
TICK_MS = 10_000
# Longer than it takes to resolve, and than the lateness; and an alert that nobody repeats, fired at the begin, is
# over well before the end, and not in its last pane, which only one of two runs may still judge.
TAIL_MS = 600_000
PROTO = [("encoding", "otlp_proto")]
JSON = [("encoding", "otlp_json")]


@dataclass
class Item:
    topic: str
    timestamp: int
    headers: list
    value: bytes
    what: str = "story"
    key: str | None = None
    alerts: list = field(default_factory=list)


def recorded(path):
    """The records of a recording, as they were on the wire."""
    with open(path, "rb") as packed:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), encoding="utf-8")
        return [item(json.loads(line)) for line in text]


def item(line):
    if "value_base64" in line:
        value = base64.b64decode(line["value_base64"])
    else:
        value = json.dumps(line["value"], separators=(",", ":")).encode()
    alerts = line["value"]["alerts"] if line["topic"] == "alerts" else []
    headers = sorted(line["headers"].items())
    return Item(line["topic"], line["timestamp"], headers, value, key=line["key"], alerts=alerts)


def written(items, path):
    """Writes a recording of everything but the poison."""
    with open(path, "w", encoding="utf-8") as out:
        for one in items:
            if one.what != "poison":
                line = {"topic": one.topic, "timestamp": one.timestamp, "key": one.key, "headers": dict(one.headers)}
                try:
                    line["value"] = json.loads(one.value)
                except ValueError:
                    line["value_base64"] = base64.b64encode(one.value).decode()
                out.write(json.dumps(line) + "\n")


def moment(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def own_alerts(dice, begin, end):
    """Small incidents, each of one service and one to three alerts that fire and end."""
    items = []
    for service in range(OWN_SERVICES):
        # Early enough that all of them end inside of the story.
        fires = begin + int((end - begin) * dice.uniform(0.05, 0.6))
        for number in range(dice.randint(1, 3)):
            labels = {
                "alertname": dice.choice(["DiskFull", "QueueGrows", "CertificateInvalid", "ReplicaLags"]),
                "service": f"chaos-{service:02}",
                "severity": dice.choice(["critical", "critical", "warning"]),
                "chaos_id": f"{service:02}-{number}-{dice.randrange(16**8):08x}",
            }
            starts = fires + number * dice.randint(1, 20) * 1000
            starts -= starts % 1000
            ends = starts + dice.randint(60, 180) * 1000
            told = [(starts, "firing", None), (ends, "resolved", ends)]
            if dice.random() < 0.3:
                told.insert(1, (starts + 30_000, "firing", None))
            for at, status, ended in told:
                items.append(own_alert(at + dice.randint(50, 900), labels, status, starts, ended))
    return items


def own_alert(at, labels, status, starts, ended):
    alert = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": f"{labels['alertname']} on {labels['service']}"},
        "startsAt": moment(starts),
        "endsAt": moment(ended) if ended else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "",
    }
    payload = {
        "version": "4", "groupKey": f"{{}}:{labels['chaos_id']}", "truncatedAlerts": 0, "status": status,
        "receiver": "kafka", "groupLabels": {}, "commonLabels": labels, "commonAnnotations": {}, "externalURL": "",
        "alerts": [alert],
    }
    value = json.dumps(payload, separators=(",", ":")).encode()
    return Item("alerts", at, [("encoding", "alertmanager_webhook")], value, what="own", alerts=[alert])


def ticks(begin, end):
    """A service that reports one steady figure, and goes on when all others have ended.

    So event time comes to where everything that can be over is over, in the undisturbed run as in the other: how
    long the other then waits, while its own clock goes on, makes no difference.
    """
    items = []
    for at in range(begin, end + TAIL_MS, TICK_MS):
        point = {"timeUnixNano": str(at * 1_000_000), "asDouble": 1.0}
        metric = {"name": "chaos.clock", "unit": "1", "gauge": {"dataPoints": [point]}}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "chaos-clock"}}]}
        request = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}
        value = json.dumps(request, separators=(",", ":")).encode()
        items.append(Item("otlp_metrics", at + 50, JSON, value, what="own"))
    return items


def poisons(good):
    """What no decoder can read: truncated, nested, gigantic, of another kind, not even text."""
    spans = next(one.value for one in good if one.topic == "otlp_spans" and one.what == "story")
    telemetry = [
        (PROTO, spans[: len(spans) // 2]),
        (PROTO, b"\xff" * 200),
        (PROTO, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\0" * 50),
        (PROTO, b"\x1f\x8b\x08\x00" + b"\0" * 400),
        (JSON, b'{"resourceSpans":' + b"[" * 200_000),
        (JSON, b"\xc3\x28\xa0\xa1 is no text"),
        (JSON, b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":'),
    ]
    other = [
        ([], b"<html>502 Bad Gateway</html>"),
        ([], b"[" * 100_000),
        ([], b'{"alerts":[{"labels":{"alertname":"x"'),
        ([], b"\0" * 64),
        ([], b"\xff\xfe\x00\x01 is no text"),
        ([], b"x" * 850_000),
    ]
    kinds = [("otlp_spans", telemetry), ("otlp_logs", telemetry), ("otlp_metrics", telemetry)]
    kinds += [("alerts", other), ("changes", other), ("topology", other)]
    return [(topic, headers, value) for topic, all_of in kinds for headers, value in all_of]


def story(path, dice, poisoned):
    """The items of a round, in order."""
    items = recorded(path)
    begin = min(one.timestamp for one in items if one.topic != "topology")
    end = items[-1].timestamp
    items += own_alerts(dice, begin, end) + ticks(begin, end)
    if poisoned:
        kinds = poisons(items)
        dice.shuffle(kinds)
        for number in range(max(len(kinds), len(items) // POISON_EVERY)):
            topic, headers, value = kinds[number % len(kinds)]
            # A gigantic one of each kind is enough.
            if len(value) > 500_000 and number >= len(kinds):
                continue
            at = dice.randint(begin, end)
            # No two are the same bytes.
            items.append(Item(topic, at, headers, value + f"#{number}".encode(), what="poison"))
    # Sorting is stable: records of the same moment keep their order.
    return sorted(items, key=lambda one: one.timestamp)
