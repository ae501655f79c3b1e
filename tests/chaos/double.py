"""Doubles of a webhook's receiver and of ServiceNow's incident table, on loopback, with faults on demand.

Each request is written down with its fate: `answered` (2xx, whole), `refused` (it said why), `lost` (it was taken,
but the answer never came), `dropped` (it was not taken, and no answer came), `killed` (it was taken, and the caller
died before the answer).
"""

import base64
import json
import random
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "faultline", "chaos-and-nothing-else"
# The caller gives up after so long (the configuration says so); an answer later than half of it may be lost.
TIMEOUT_S = 2.0
FAULTS = ("500", "503", "429", "late", "silent", "reset", "reset-after", "cut")


class Double:
    """What both have: a server, a journal of requests, faults."""

    def __init__(self, seed, kill):
        self.lock, self.dice = threading.Lock(), random.Random(seed)
        self.requests, self.fault_share, self.kill_share, self.kill = [], 0.0, 0.0, kill
        double = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                double.serve(self)

            do_GET = do_POST = do_PATCH = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def draw(self):
        with self.lock:
            fault = self.dice.choice(FAULTS) if self.dice.random() < self.fault_share else None
            kill = fault is None and self.dice.random() < self.kill_share
        return "kill" if kill else fault

    def serve(self, http):
        began = time.time()
        body = http.rfile.read(int(http.headers.get("content-length") or 0))
        fault, entry = self.draw(), {"at": began, "method": http.command, "path": http.path}
        with self.lock:
            entry["n"] = len(self.requests)
            self.requests.append(entry)
            self.describe(http, body, entry)
            entry["fate"] = "open"
        entry["fault"] = fault
        try:
            entry["fate"] = self.act(http, body, fault, entry)
        except OSError:
            # The caller was gone before the answer.
            entry["fate"] = "lost"
        entry["ended"] = time.time()
        if entry["fate"] == "answered" and entry["ended"] - began > TIMEOUT_S / 2:
            entry["fate"] = "lost"

    def act(self, http, body, fault, entry):
        if fault in ("500", "503", "429"):
            extra = {}
            if fault == "429":
                entry["retry_after"] = self.dice.randint(1, 3)
                extra = {"retry-after": str(entry["retry_after"])}
            respond(http, int(fault), {"error": {"message": "not now"}}, extra)
            return "refused"
        if fault == "silent":
            time.sleep(TIMEOUT_S * 1.5)
            return "dropped"
        if fault == "reset":
            reset(http)
            return "dropped"
        with self.lock:
            status, answer = self.take(http, body, entry)
        taken = status < 400
        if fault == "kill":
            self.kill()
            return "killed" if taken else "refused"
        if fault == "late":
            time.sleep(TIMEOUT_S * 1.5)
        if fault in ("late", "reset-after"):
            reset(http)
            return "lost" if taken else "refused"
        if fault == "cut":
            cut(http, status, answer)
            return "lost" if taken else "refused"
        respond(http, status, answer)
        return "answered" if taken else "refused"

    def describe(self, http, body, entry):
        raise NotImplementedError

    def take(self, http, body, entry):
        raise NotImplementedError

    def written(self, path):
        with self.lock, open(path, "w", encoding="utf-8") as out:
            for entry in self.requests:
                out.write(json.dumps({"ended": entry["at"], **entry}) + "\n")


def respond(http, status, answer, extra=None):
    text = json.dumps(answer).encode()
    http.send_response(status)
    for name, value in {"content-type": "application/json", "content-length": str(len(text)), **(extra or {})}.items():
        http.send_header(name, value)
    http.end_headers()
    http.wfile.write(text)
    http.wfile.flush()


def cut(http, status, answer):
    """Half an answer, and then a reset."""
    text = json.dumps(answer).encode()
    http.send_response(status)
    http.send_header("content-length", str(len(text) + 100))
    http.end_headers()
    http.wfile.write(text[: len(text) // 2])
    http.wfile.flush()
    reset(http)


def reset(http):
    http.close_connection = True
    http.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    http.connection.close()


class Webhook(Double):
    """A receiver of Standard Webhooks."""

    def describe(self, http, body, entry):
        entry["id"] = http.headers.get("webhook-id")
        entry["timestamp"] = http.headers.get("webhook-timestamp")
        entry["signature"] = http.headers.get("webhook-signature") or ""
        entry["body"] = body.decode()

    def take(self, http, body, entry):
        return 200, {}


class ServiceNow(Double):
    """The incident table, by the Table API's documentation, as far as tickets need it."""

    TABLE = "/api/now/table/incident"

    def __init__(self, seed, kill):
        super().__init__(seed, kill)
        self.rows = []

    def describe(self, http, body, entry):
        pass

    def take(self, http, body, entry):
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if http.headers.get("authorization") != expected:
            return 401, {"error": {"message": "User Not Authenticated", "detail": ""}}
        url = urlsplit(http.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/now/table/change_request":
            return 200, {"result": []}
        if url.path == self.TABLE and http.command == "GET":
            return 200, {"result": self.find(query)}
        if url.path == self.TABLE and http.command == "POST":
            row = self.create(json.loads(body))
            entry["created"] = row["sys_id"]
            return 201, {"result": row}
        found = [row for row in self.rows if url.path == f"{self.TABLE}/{row['sys_id']}"]
        if not found:
            return 404, {"error": {"message": "No Record found", "detail": url.path}}
        if http.command == "PATCH":
            fields = json.loads(body)
            if fields.get("state") == "6" and not (fields.get("close_code") and fields.get("close_notes")):
                return 403, {"error": {"message": "Operation Failed", "detail": "Data Policy Exception: close code"}}
            found[0].update({name: str(value) for name, value in fields.items()})
        return 200, {"result": found[0]}

    def find(self, query):
        rows = list(self.rows)
        for part in query.get("sysparm_query", "").split("^"):
            if not part.startswith("ORDERBY") and "=" in part:
                name, value = part.split("=", 1)
                rows = [row for row in rows if row.get(name) == value]
        return rows[: int(query.get("sysparm_limit", "10000"))]

    def create(self, fields):
        number = len(self.rows) + 1
        row = {"state": "1", "impact": "3", "urgency": "3", "caused_by": ""}
        row.update({name: str(value) for name, value in fields.items()})
        row["sys_id"], row["number"] = f"{number:032x}", f"INC{number:07}"
        row["sys_created_on"] = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.rows.append(row)
        return row

    def tickets_written(self, path):
        with self.lock, open(path, "w", encoding="utf-8") as out:
            for row in self.rows:
                out.write(json.dumps(row) + "\n")
