"""Reads topics, and leaves the evidence of a round in a folder:

    run.json          seed, plan, names of topics, the webhook's key
    ledger.jsonl      what the generator produced: place, kind, hash; alerts and poison with their bytes
    expected.jsonl    the final incidents of the undisturbed run
    topics/NAME.jsonl the records of each topic; telemetry as hashes, the rest whole (base64)
    webhook.jsonl itsm.jsonl    each request that a double saw, with its fate
    tickets.jsonl     the incident table at the end
    faults.jsonl      what was done, when, to whom
"""

import base64
import hashlib
import json
import time

from kafka import KafkaConsumer, TopicPartition

HASHED = ("otlp_spans", "otlp_logs", "otlp_metrics", "topology", "changes", "alerts")


class Reader:
    """Reads one topic from its beginning, further with each call."""

    def __init__(self, bootstrap, topic, partitions):
        self.places = [TopicPartition(topic, partition) for partition in range(partitions)]
        self.consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 << 20, request_timeout_ms=20_000,
        )
        self.consumer.assign(self.places)
        self.consumer.seek_to_beginning(*self.places)

    def more(self, seconds=60):
        """What is there now and was not read yet."""
        ends = self.consumer.end_offsets(self.places)
        records, deadline = [], time.monotonic() + seconds
        while any(self.consumer.position(place) < ends[place] for place in self.places):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.places[0].topic} could not be read to its end in {seconds} s")
            for batch in self.consumer.poll(timeout_ms=500).values():
                records.extend(batch)
        return records

    def close(self):
        self.consumer.close()


def dump(bootstrap, names, partitions, folder):
    """Writes all topics of a round."""
    folder.mkdir(parents=True, exist_ok=True)
    for short, topic in names.items():
        if short == "panes":
            continue
        reader = Reader(bootstrap, topic, partitions if short in HASHED else 1)
        try:
            records = reader.more()
        finally:
            reader.close()
        with open(folder / f"{short}.jsonl", "w", encoding="utf-8") as out:
            for record in records:
                out.write(json.dumps(line(short, record)) + "\n")


def line(short, record):
    value = record.value or b""
    plain = {"partition": record.partition, "offset": record.offset, "timestamp": record.timestamp}
    if short in HASHED:
        return plain | {"sha256": hashlib.sha256(value).hexdigest()}
    return plain | {
        "key": record.key.decode(errors="replace") if record.key is not None else None,
        "headers": [(name, (said or b"").decode(errors="replace")) for name, said in record.headers],
        "value": base64.b64encode(value).decode(),
    }
