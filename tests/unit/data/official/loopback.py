"""A file server on the loopback that misbehaves as it is told to: `script[path]` lists what it does, call by call."""

import contextlib
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Loopback(ThreadingHTTPServer):
    """Serves `files` ({path: bytes}) and logs each request in `asked`, as (path, Range or None)."""

    daemon_threads = True

    def __init__(self, files, port=0):
        self.files, self.script, self.asked = files, defaultdict(list), []
        self.released = threading.Event()  # ends `stall`
        self.begun = threading.Event()  # `trickle` has
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.asked.append((path, self.headers.get("Range")))
        script = self.server.script[path]
        act = script.pop(0) if script else serve
        with contextlib.suppress(ConnectionError):
            act(self, self.server.files.get(path))

    def log_message(self, *_):
        pass


def head(handler, status, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def serve(handler, body):
    """As a good server: honours a range, knows when there is nothing after it."""
    if body is None:
        return head(handler, 404, Content_Length=0)
    asked = handler.headers.get("Range")
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if start >= len(body) > 0:
        return head(handler, 416, Content_Length=0)
    span = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if asked else {}
    head(handler, 206 if asked else 200, Content_Length=len(body) - start, **span)
    handler.wfile.write(body[start:])


def ignore_range(handler, body):
    head(handler, 200, Content_Length=len(body))
    handler.wfile.write(body)


def wrong_range(handler, body):
    head(handler, 206, Content_Length=len(body), Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")
    handler.wfile.write(body)


def truncate(handler, body):
    head(handler, 200, Content_Length=len(body))
    handler.wfile.write(body[: len(body) // 2])


def truncate_without_length(handler, body):
    head(handler, 200)
    handler.wfile.write(body[: len(body) // 2])


def stall(handler, body):
    """Half of it, then silence."""
    truncate(handler, body)
    handler.wfile.flush()
    handler.server.released.wait(20)


def trickle(handler, body):
    """A few bytes now and then, for longer than anybody waits."""
    head(handler, 200, Content_Length=len(body))
    for start in range(0, len(body), 100):
        handler.wfile.write(body[start : start + 100])
        handler.server.begun.set()
        if handler.server.released.wait(0.05):
            return


def corrupt(handler, body):
    ignore_range(handler, body[:-1] + bytes([body[-1] ^ 1]))


def drop(handler, body):
    """No answer at all."""


def say(status, **headers):
    return lambda handler, body: head(handler, status, Content_Length=0, **headers)
