"""A proxy between the product and the broker, on loopback, for what a network does: resets, silence, slowness."""

import selectors
import socket
import struct
import threading
import time

CHUNK = 64 * 1024
SLOW_BYTES_PER_S = 128 * 1024


class Proxy:
    """Passes bytes on, as `mode` says: `pass`, `hole` (takes nothing, says nothing), `slow`."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target, self.mode = self.listener.getsockname()[1], None, "pass"
        self.lock, self.pairs = threading.Lock(), set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            broker = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            reset(client)
            return
        pair = (client, broker)
        with self.lock:
            self.pairs.add(pair)
        try:
            self._pass_on(client, broker)
        except (OSError, ValueError):
            # One of the two is gone.
            pass
        finally:
            with self.lock:
                self.pairs.discard(pair)
            for end in pair:
                reset(end)

    def _pass_on(self, client, broker):
        with selectors.DefaultSelector() as either:
            either.register(client, selectors.EVENT_READ, broker)
            either.register(broker, selectors.EVENT_READ, client)
            while True:
                if self.mode == "hole":
                    time.sleep(0.05)
                    continue
                for key, _ in either.select(timeout=0.2):
                    read = key.fileobj.recv(CHUNK if self.mode == "pass" else CHUNK // 8)
                    if not read:
                        return
                    key.data.settimeout(30)
                    key.data.sendall(read)
                    if self.mode == "slow":
                        time.sleep(len(read) / SLOW_BYTES_PER_S)

    def cut(self):
        """Resets every connection that there is."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                reset(end, closing=False)

    def close(self):
        self.listener.close()
        self.cut()


def reset(end, closing=True):
    """The other side gets a reset; `closing` is for the thread whose socket it is."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if closing:
            end.close()
        else:
            # Wakes the thread that serves it, which closes it.
            end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
