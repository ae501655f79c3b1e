"""The generator: produces a story in the course of a storm, and keeps the ledger of what the broker took.

The story goes many times faster than life, so a broker that is away for seconds would cost it minutes of its own
time. Sources wait for their acknowledgement; so does the story: it is never further ahead than AHEAD_MS, which is
well inside of the lateness that the product allows.
"""

import base64
import hashlib
import json
import threading
import time
from collections import deque

from kafka import KafkaProducer

# How long the broker may take to acknowledge a record: longer than any fault of it lasts.
DELIVERY_MS = 180_000
# How far the story may be ahead of its oldest record without an acknowledgement. Unit: its own milliseconds.
AHEAD_MS = 15_000


class Generator:
    """Produces items over the partitions, spread over some seconds by their timestamps."""

    def __init__(self, bootstrap, topics, partitions, dice):
        self.topics, self.partitions, self.dice = topics, partitions, dice
        self.sent, self.failed = [], None
        self.producer = KafkaProducer(
            bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", compression_type="lz4",
            delivery_timeout_ms=DELIVERY_MS, max_block_ms=DELIVERY_MS, linger_ms=5, max_request_size=1_048_576,
        )
        self.thread = None

    def start(self, items, seconds):
        self.thread = threading.Thread(target=self._run, args=(items, seconds), daemon=True)
        self.thread.start()

    def _run(self, items, seconds):
        try:
            moving = [one.timestamp for one in items if one.topic != "topology"]
            first, last = moving[0], max(moving[-1], moving[0] + 1)
            began = time.monotonic()
            waiting = deque()
            for one in items:
                began += self._acknowledged(waiting, one.timestamp - AHEAD_MS)
                due = began + max(0, one.timestamp - first) / (last - first) * seconds
                pause = due - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                waiting.append((one.timestamp, self._send(one)))
            self.producer.flush(timeout=DELIVERY_MS / 1000)
        except Exception as error:  # noqa: BLE001: whatever it is, the round has to be told
            self.failed = error

    @staticmethod
    def _acknowledged(waiting, until):
        """Waits for what is older than that; tells how long it took, if it was worth mentioning."""
        began = time.monotonic()
        while waiting and waiting[0][0] < until:
            waiting.popleft()[1].get(timeout=DELIVERY_MS / 1000)
        lasted = time.monotonic() - began
        return lasted if lasted > 0.5 else 0.0

    def _send(self, one):
        future = self.producer.send(
            self.topics[one.topic], value=one.value, key=one.key.encode() if one.key else None,
            headers=[(name, value.encode()) for name, value in one.headers],
            partition=self.dice.randrange(self.partitions), timestamp_ms=one.timestamp,
        )
        self.sent.append((one, future))
        return future

    def is_done(self):
        return not self.thread.is_alive()

    def close(self):
        self.producer.close(timeout=5)

    def ledger(self, topics):
        """What was produced, as (item, entry), in the order of time; `topics` is a dump of the input topics.

        A client that lost an answer may have produced a record twice. Sources do that, too: the second is
        written down as one more of the same, with `again`, and the undisturbed run hears it, too.
        """
        ledger = [(one, self._entry(one, future.get(timeout=10))) for one, future in self.sent]
        places = {(entry["topic"], entry["partition"], entry["offset"]) for _, entry in ledger}
        by_bytes = {(entry["topic"], entry["sha256"]): (one, entry) for one, entry in ledger}
        for topic in sorted({entry["topic"] for _, entry in ledger}):
            with open(topics / f"{topic}.jsonl", encoding="utf-8") as text:
                for record in map(json.loads, text):
                    one, entry = by_bytes.get((topic, record["sha256"]), (None, None))
                    if one and (topic, record["partition"], record["offset"]) not in places:
                        place = {"partition": record["partition"], "offset": record["offset"]}
                        ledger.append((one, {**entry, **place, "again": True}))
        return sorted(ledger, key=lambda pair: pair[1]["timestamp"])

    @staticmethod
    def _entry(one, taken):
        entry = {
            "topic": one.topic, "partition": taken.partition, "offset": taken.offset, "what": one.what,
            "timestamp": one.timestamp, "sha256": hashlib.sha256(one.value).hexdigest(),
        }
        if one.topic == "alerts":
            entry["alerts"] = one.alerts
        if one.what == "poison":
            entry["value"] = base64.b64encode(one.value).decode()
        return entry
