#!/usr/bin/env python3
"""Rounds of chaos against the real thing: see run.sh for how it is called, docs/reliability.md for what it proves.

Each round has names, data directories and a story of its own, all drawn from (seed, round). It starts the roles in
separate processes over Kafka, produces the story in the course of a storm, lets everything heal, waits until the
incidents are those of the undisturbed run, and hands the evidence to the checker.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

import check
import double
import evidence
import mutants
import storm
import story
from broker import Broker
from generator import Generator
from product import INPUTS, SECRET, Product, config, topic_names

PARTITIONS = 3
STORM_S = 50
# How long everything may take after the last fault: a breaker that opened several times in a row waits minutes.
SETTLE_S = 300
# What comes too much comes within this.
GRACE_S = 3
STREAMS = [f"faultline-development-{number:03}" for number in range(1, 25)]


class Notes:
    """What was done to whom, and when."""

    def __init__(self):
        self.entries, self.lock = [], threading.Lock()

    def __call__(self, what, target, **more):
        with self.lock:
            self.entries.append({"at": time.time(), "what": what, "target": target, **more})

    def count(self, what, target=None):
        return sum(e["what"] == what and target in (None, e["target"]) for e in self.entries)


class Round:
    def __init__(self, options, number, plan, seconds):
        self.options, self.number, self.plan, self.seconds = options, number, plan, seconds
        self.seed = f"{options.seed}/{number}/{plan.name}"
        self.dice = random.Random(self.seed)
        self.folder = options.work / f"round-{number}"
        self.evidence = self.folder / "evidence"
        self.evidence.mkdir(parents=True)
        self.prefix = f"chaos-{options.seed}-{number}-{int(time.time())}"
        self.names = topic_names(self.prefix)
        self.notes = Notes()
        self.settled_in = None

    def run(self, broker):
        """Leaves the evidence; tells the violations."""
        broker.note = self.notes
        self.stream = self.dice.choice(STREAMS)
        items = story.story(recording(self.options, self.stream), self.dice, self.plan.poison)
        kill = lambda: self.product.roles["deliver"].kill()  # noqa: E731
        self.webhook = double.Webhook(self.dice.random(), kill)
        self.itsm = double.ServiceNow(self.dice.random(), kill)
        made = lambda data: config(broker.via, self.prefix, PARTITIONS, data, self.webhook.url, self.itsm.url)  # noqa: E731
        make_inputs(broker.bootstrap, self.names)
        self.product = Product(self.options.binary, self.folder, made, self.notes, broker.is_well)
        try:
            self.wait_for_topics(broker)
            generator = Generator(broker.bootstrap, self.names, PARTITIONS, self.dice)
            self.rage(generator, items, broker)
            self.produced(generator, broker)
            self.replay()
            self.settle(broker)
        finally:
            self.product.end()
        return self.leave(broker)

    def produced(self, generator, broker):
        """Writes down what is in the input topics: bytes by the broker's word, kinds by the generator's."""
        generator.close()
        evidence.dump(broker.bootstrap, inputs(self.names), PARTITIONS, self.evidence / "topics")
        ledger = generator.ledger(self.evidence / "topics")
        with open(self.evidence / "ledger.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps(entry) + "\n" for _, entry in ledger)
        story.written([one for one, _ in ledger], self.folder / "story.jsonl")

    def replay(self):
        """The undisturbed run of what was produced."""
        command = [self.options.binary, "replay", "--json", "--final", str(self.folder / "story.jsonl")]
        with open(self.evidence / "expected.jsonl", "wb") as out, open(self.folder / "replay.log", "wb") as log:
            done = subprocess.run(command, stdout=out, stderr=log, stdin=subprocess.DEVNULL, timeout=SETTLE_S)
        if done.returncode != 0:
            raise RuntimeError(f"the undisturbed run failed: {(self.folder / 'replay.log').read_text()[-2000:]}")

    def wait_for_topics(self, broker):
        deadline = time.monotonic() + 60
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        try:
            while not set(self.names.values()) <= set(admin.list_topics()):
                if time.monotonic() > deadline:
                    raise TimeoutError("faultline did not make its topics within 60 s")
                time.sleep(0.3)
        finally:
            admin.close()

    def rage(self, generator, items, broker):
        events = storm.schedule(self.plan, self.dice, self.seconds)
        doubles = (self.webhook, self.itsm)
        if self.plan.sinks and self.plan.kills:
            for one in doubles:
                one.kill_share = 0.1
        generator.start(items, self.seconds)
        storm.rage(events, self.product, broker, doubles, lambda: generator.failed is not None)
        for one in doubles:
            one.fault_share = one.kill_share = 0.0
        generator.thread.join(timeout=SETTLE_S)
        broker.wait()
        if generator.failed is not None or not generator.is_done():
            raise RuntimeError(f"the generator could not produce: {generator.failed}")

    def settle(self, broker):
        """Until the incidents are the expected ones and the destinations have heard the last of them."""
        began = time.monotonic()
        expected = check.canonical(check.lines(self.evidence / "expected.jsonl"))
        reader, newest = evidence.Reader(broker.bootstrap, self.names["incidents"], 1), {}
        try:
            while time.monotonic() - began < SETTLE_S:
                for record in reader.more():
                    revision = dict(record.headers).get("revision")
                    incident = json.loads(record.value)
                    known = newest.get(incident["id"])
                    if known is None or known["revision"] <= incident["revision"]:
                        newest[incident["id"]] = incident
                if check.canonical(newest.values()) == expected and self.is_told(newest):
                    self.settled_in = time.monotonic() - began
                    time.sleep(GRACE_S)
                    return
                time.sleep(0.5)
        finally:
            reader.close()

    def is_told(self, newest):
        told = {}
        with self.webhook.lock:
            taken = [e for e in self.webhook.requests if e["fate"] in ("answered", "lost", "killed")]
        for entry in taken:
            data = json.loads(entry["body"])["data"]
            told[data["id"]] = data
        with self.itsm.lock:
            tickets = {row["correlation_id"]: row["state"] for row in self.itsm.rows}
        for incident in newest.values():
            if incident["state"] in ("open", "resolved") and check.calls(incident):
                heard = told.get(incident["id"])
                if heard is None or check.plain(heard) != check.plain(incident):
                    return False
                if (tickets.get(incident["id"]) == "6") != (incident["state"] == "resolved"):
                    return False
        return True

    def leave(self, broker):
        # The inputs once more: nobody may have written there since.
        evidence.dump(broker.bootstrap, self.names, PARTITIONS, self.evidence / "topics")
        self.webhook.written(self.evidence / "webhook.jsonl")
        self.itsm.written(self.evidence / "itsm.jsonl")
        self.itsm.tickets_written(self.evidence / "tickets.jsonl")
        for one in (self.webhook, self.itsm):
            one.close()
        with open(self.evidence / "faults.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps(entry) + "\n" for entry in self.notes.entries)
        about = {"seed": self.seed, "stream": self.stream, "topics": self.names, "webhook_secret": SECRET}
        (self.evidence / "run.json").write_text(json.dumps(about, indent=1))
        return list(check.check(check.Evidence(self.evidence)))

    def figures(self):
        """What the round had in it."""
        requests = self.webhook.requests + self.itsm.requests
        ledger = check.lines(self.evidence / "ledger.jsonl")
        left = check.Evidence(self.evidence)
        incidents = check.newest(left).values()
        return {
            "records": len(ledger),
            "alerts": sum(len(r.get("alerts", ())) for r in ledger if r["what"] != "poison"),
            "poison": sum(r["what"] == "poison" for r in ledger),
            "doubled by the client": sum(bool(r.get("again")) for r in ledger),
            "incidents": sum(i["state"] not in check.GONE for i in incidents),
            "alerts in two of them, undisturbed too": check.doubled_undisturbed(left),
            "kills": self.notes.count("kill"),
            "disks lost": sum(bool(e.get("lose_disk")) for e in self.notes.entries),
            "frozen": self.notes.count("freeze"),
            "takeovers": self.notes.count("takeover"),
            "broker faults": sum(self.notes.count(f"broker-{what}") for what in ("kill", "restart", "pause")),
            "network faults": sum(self.notes.count(f"broker-{what}") for what in ("reset", "hole", "slow")),
            "sink faults": sum(r.get("fault") is not None for r in requests),
            "requests": len(requests),
            "tickets": len(self.itsm.rows),
        }


def recording(options, stream):
    """The recording of a stream of the corpus, made once."""
    folder = options.cache / f"chaos-corpus-{stream}"
    kept = folder / f"{stream}.jsonl.zst"
    if not kept.exists():
        made = options.work / f"making-{stream}"
        command = [options.binary, "corpus", made, "--seeds", "development", "--stream", stream]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    return kept


def inputs(names):
    return {recorded: names[recorded] for recorded in INPUTS.values()}


def make_inputs(bootstrap, names):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(names[topic], PARTITIONS, 1) for topic in INPUTS.values()])
    finally:
        admin.close()


def again(options, number, plan):
    return f"tests/run.sh chaos --seed {options.seed} --round {number} --plan {plan.name}"


def one_round(options, broker, number, plan, seconds, totals):
    """Runs a round and tells of it; whether it held."""
    began = time.monotonic()
    this = Round(options, number, plan, seconds)
    violations = this.run(broker)
    figures = this.figures()
    for name, figure in figures.items():
        totals[name] = totals.get(name, 0) + figure
    settled = "never" if this.settled_in is None else f"{this.settled_in:.0f} s after the storm"
    told = ", ".join(f"{figure} {name}" for name, figure in figures.items())
    print(f"round {number} ({plan.name}, {this.stream}, {time.monotonic() - began:.0f} s): {told}; settled {settled}", flush=True)
    if violations:
        kept = options.keep / this.folder.name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(this.folder, kept)
        for name, what in violations[:20]:
            print(f"  VIOLATION {name}: {what[:1500]}")
        print(f"  {len(violations)} violations; evidence, configurations and logs are in {kept}")
        print(f"  again: {again(options, number, plan)}", flush=True)
        return False
    if options.mutants and plan.poison:
        options.mutants = False
        missed = mutants.missed(this.evidence, random.Random(this.seed))
        if missed:
            print(f"  the checker does not find: {', '.join(missed)}", flush=True)
            return False
        print(f"  the checker finds all of {len(mutants.MUTANTS)} mutants of this evidence", flush=True)
    shutil.rmtree(this.folder)
    return True


def plans(options):
    """The rounds: endless, in turn."""
    if options.plan:
        chosen = next(plan for plan in (*storm.PLANS, storm.CALM) if plan.name == options.plan)
        yield options.round, chosen
        return
    if options.smoke:
        yield 0, next(plan for plan in storm.PLANS if plan.name == "all")
        return
    number = 0
    while True:
        yield number, storm.PLANS[number % len(storm.PLANS)]
        number += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--kafka", required=True, help="tests/kafka.sh")
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--cache", required=True, type=Path)
    parser.add_argument("--keep", required=True, type=Path, help="where the evidence of a failure stays")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--plan", choices=[plan.name for plan in (*storm.PLANS, storm.CALM)])
    parser.add_argument("--smoke", action="store_true", help="one round of everything")
    options = parser.parse_args()
    options.mutants = True
    # Told to end: what was started is ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    broker = Broker(options.kafka, options.work / "kafka", Notes())
    deadline, totals, held, rounds = time.monotonic() + options.minutes * 60, {}, True, 0
    try:
        for number, plan in plans(options):
            held &= one_round(options, broker, number, plan, STORM_S, totals)
            rounds += 1
            if time.monotonic() >= deadline:
                break
    finally:
        broker.stop()
    told = ", ".join(f"{figure} {name}" for name, figure in totals.items())
    print(f"chaos, seed {options.seed}: {rounds} rounds, {told}: {'all held' if held else 'BROKEN'}")
    if held and totals.get("kills"):
        print(f"no violation after {totals['kills']} kills: fewer than {3 / totals['kills']:.2g} per kill at 95 % confidence")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
