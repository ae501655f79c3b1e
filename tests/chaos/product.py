"""faultline over Kafka: one process a role, each with a data directory of its own, started again when it ends."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

from double import PASSWORD, TIMEOUT_S, USER

ROLES = ("observe", "detect", "correlate", "deliver")
SECRET = "whsec-of-a-chaos-run-0123456789"
INPUTS = {
    "spans": "otlp_spans", "logs": "otlp_logs", "metrics": "otlp_metrics",
    "alerts": "alerts", "changes": "changes", "topology": "topology",
}
# Of everything that was never told before it ended: the story is older than the wall clock.
FOR_EVER_S = 4_000_000_000
# After so long without a sign of life a role is given to another process: the least that the broker takes.
SESSION_S = 6
# The exit code of one that was frozen past its session while another took over: to be started anew.
LOST = 75
# How soon somebody who supervises starts it again.
RESTART_S = 0.3


def topic_names(prefix):
    """The topics of a round: by the names that a recording has for inputs, by their suffix for our own."""
    names = {recorded: f"{prefix}-{key}" for key, recorded in INPUTS.items()}
    for own in ("panes", "journal", "incidents", "deliveries", "dead-letters"):
        names[own] = f"{prefix}.{own}"
    return names


def config(bootstrap, prefix, partitions, data_dir, webhook, itsm):
    names = topic_names(prefix)
    delivery = {"update_every_s": 0, "stale_after_s": FOR_EVER_S}
    return {
        "log": {"kind": "kafka", "brokers": bootstrap, "session_s": SESSION_S},
        "data_dir": str(data_dir),
        "topics": {key: names[recorded] for key, recorded in INPUTS.items()}
        | {"prefix": prefix, "input_partitions": partitions},
        "http": {"listen": "127.0.0.1:0"},
        "intake": {"listen": "127.0.0.1:0"},
        "sinks": [
            {"webhook": {
                "name": "hook", "url": f"{webhook}/hook", "secrets": [{"env": "CHAOS_WEBHOOK_SECRET"}],
                "timeout_ms": int(TIMEOUT_S * 1000), "delivery": delivery,
            }},
            {"servicenow": {
                "name": "itsm", "url": itsm, "listen_every_s": 0, "timeout_ms": int(TIMEOUT_S * 1000),
                "auth": {"basic": {"user": USER, "password": {"env": "CHAOS_ITSM_PASSWORD"}}}, "delivery": delivery,
            }},
        ],
    }


def environment():
    secrets = {"CHAOS_WEBHOOK_SECRET": SECRET, "CHAOS_ITSM_PASSWORD": PASSWORD}
    return {**os.environ, **secrets, "NO_COLOR": "1"}


class Role:
    """One process, and whoever supervises it."""

    def __init__(self, name, binary, folder, made, note, broker_is_well):
        self.name, self.binary, self.note, self.broker_is_well = name, binary, note, broker_is_well
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.made, self.config = made, self.folder / "faultline.yaml"
        self.use(self.folder / "data")
        self.log = self.folder / "log"
        self.lock, self.process, self.due, self.ended = threading.RLock(), None, 0.0, False
        self.replaced = []

    def use(self, data):
        """The next process has this data directory."""
        self.data = data
        # JSON is YAML.
        self.config.write_text(json.dumps(self.made(data), indent=1))

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", "-c", self.config, "--roles", self.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment(),
            )

    def tend(self):
        """Starts it if it is not running and due; writes down if it ended by itself."""
        with self.lock:
            if self.ended:
                return
            if self.process is None:
                if time.monotonic() >= self.due:
                    self.start()
            elif (code := self.process.poll()) is not None:
                self.process, self.due = None, time.monotonic() + RESTART_S
                said = self.log.read_text(errors="replace")[-2000:]
                self.note("exit", self.name, code=code, said=said, excused=code == LOST or not self.broker_is_well())

    def kill(self, pause=RESTART_S, lose_disk=False):
        """`kill -9`; tells whether there was something to kill."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                return False
            self.note("kill", self.name, pause=round(pause, 2), lose_disk=lose_disk)
            self.process.kill()
            self.process.wait()
            if lose_disk:
                shutil.rmtree(self.data, ignore_errors=True)
            self.process, self.due = None, time.monotonic() + pause
            return True

    def freeze(self, seconds):
        """SIGSTOP, and after a while SIGCONT, to the same process if it is still there."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                return
            frozen = self.process
            self.note("freeze", self.name, seconds=round(seconds, 2))
            frozen.send_signal(signal.SIGSTOP)

        def thaw():
            if frozen.poll() is None:
                frozen.send_signal(signal.SIGCONT)

        threading.Timer(seconds, thaw).start()

    def take_over(self, frozen_s, both_s):
        """SIGSTOP; another process stands by, and takes over if that lasts for longer than the session; SIGCONT; then
        SIGKILL to the first, if it is still there, and the other takes over at the latest.

        The other one has a copy of the data directory, as on another machine: the first holds its own.
        """
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                return
            first, self.process, self.due = self.process, None, 0.0
            self.note("takeover", self.name, frozen_s=round(frozen_s, 2), both_s=round(both_s, 2))
            first.send_signal(signal.SIGSTOP)
            copy = self.folder / f"data-{len(self.replaced) + 1}"
            shutil.copytree(self.data, copy)
            self.use(copy)
            self.replaced.append(first)

        def wake():
            if first.poll() is None:
                first.send_signal(signal.SIGCONT)

        def kill():
            first.kill()
            first.wait()

        for seconds, action in ((frozen_s, wake), (frozen_s + both_s, kill)):
            timer = threading.Timer(seconds, action)
            timer.daemon = True
            timer.start()

    def end(self):
        with self.lock:
            self.ended = True
            for process in self.replaced:
                process.kill()
                process.wait()
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self.process.kill()
                self.process.wait()


class Product:
    """All roles of one installation."""

    def __init__(self, binary, folder, made, note, broker_is_well):
        self.roles = {name: Role(name, binary, folder, made, note, broker_is_well) for name in ROLES}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._tend, daemon=True)
        self.thread.start()

    def _tend(self):
        while not self.stopping.wait(0.05):
            for role in self.roles.values():
                role.tend()

    def end(self):
        self.stopping.set()
        self.thread.join()
        for role in self.roles.values():
            role.end()
