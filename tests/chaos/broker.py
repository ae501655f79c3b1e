"""The real broker of tests/kafka.sh, and what is done to it and to the way there.

The product comes through a proxy (`via`); the generator and the checker's readers do not (`bootstrap`).
"""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from proxy import Proxy

# After it is back, whoever had trouble with it may still end of that for so long.
RECOVERY_S = 60


class Broker:
    """One Kafka in a folder. Faults are serial: each waits until the one before is healed."""

    def __init__(self, script, folder, note):
        self.script, self.folder, self.note = Path(script), Path(folder), note
        self.lock, self.troubled, self.last_trouble = threading.Lock(), False, -1e9
        self.proxy = Proxy()
        self._call("start")
        self.proxy.target = int((self.folder / "behind").read_text())
        self.via = f"127.0.0.1:{self.proxy.port}"
        self.bootstrap = (self.folder / "bootstrap").read_text().strip()

    def _call(self, command):
        via = {**os.environ, "KAFKA_VIA": str(self.proxy.port)}
        # It speaks to standard error; in a file, because the broker inherits it and stays.
        with open(f"{self.folder}.log", "ab") as log:
            subprocess.run([self.script, command, self.folder], check=True, stdout=log, stderr=log, env=via, timeout=180)

    def _pid(self):
        return int((self.folder / "pid").read_text())

    def is_well(self):
        return not self.troubled and time.monotonic() - self.last_trouble > RECOVERY_S

    def fault(self, what, seconds):
        """In a thread of its own: `kill` (SIGKILL, down for some seconds), `restart` (SIGTERM), `pause` (SIGSTOP);
        and on the way there `hole` (nothing passes), `slow`, `reset` (all connections, once)."""
        threading.Thread(target=self._fault, args=(what, seconds), daemon=True).start()

    def _fault(self, what, seconds):
        with self.lock:
            self.troubled = True
            self.note(f"broker-{what}", "broker", seconds=round(seconds, 2))
            try:
                if what == "reset":
                    self.proxy.cut()
                elif what in ("hole", "slow"):
                    self.proxy.mode = what
                    time.sleep(seconds)
                    self.proxy.mode = "pass"
                elif what == "pause":
                    os.kill(self._pid(), signal.SIGSTOP)
                    time.sleep(seconds)
                    os.kill(self._pid(), signal.SIGCONT)
                else:
                    os.kill(self._pid(), signal.SIGKILL if what == "kill" else signal.SIGTERM)
                    time.sleep(seconds)
                    self._call("restart")
            finally:
                self.troubled, self.last_trouble = False, time.monotonic()
                self.note("broker-healed", "broker")

    def wait(self):
        """Until all faults are healed."""
        with self.lock:
            pass

    def stop(self):
        self.wait()
        self._call("stop")
        self.proxy.close()
