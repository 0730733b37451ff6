"""The page's server, for this machine alone, and only for a browser with the address's token.

    GET   /TOKEN/                      the page; NAME.css and NAME.js are its parts
    GET   /TOKEN/state                 the pictures, and all that can be chosen
    GET   /TOKEN/original/NUMBER       a picture without loss; thumbnail/NUMBER a small version
    GET   /TOKEN/file/NUMBER           a JPEG file that was made; difference/NUMBER its map
    POST  /TOKEN/pictures?name=NAME    adds a picture, the body of the request
    POST  /TOKEN/remove                {"picture"}: removes a picture
    POST  /TOKEN/choice, encoder, curve   the jobs of `making`, with a JSON object in each line

No text of a request becomes a path.
"""

import contextlib
import json
import re
import secrets
import sys
import threading
import time
import traceback
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

from learned_jpeg.jobs.one_picture import tensorflow_errors
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.view.pictures import MOST_BYTES
from learned_jpeg.view.turns import CancelledError

HOST = "127.0.0.1"
MOST_JSON = 2**16  # bytes of a request
_CONNECTIONS = 48  # at a time; a browser has six
_PATIENCE = 15.0  # seconds without a byte of a request
_SLOWEST = 100_000  # bytes a second, on average, of a picture that is received

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    # The page loads only from this server, and no other page may contain it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class _RefusedError(Exception):
    """(status, line): the answer to a request that is refused."""


class Server(ThreadingHTTPServer):
    """The server of a page. making: its Making; port: 0 for any free port."""

    daemon_threads = True

    def __init__(self, making, port=0):
        self.making, self.token = making, secrets.token_urlsafe(24)
        folder = resources.files("learned_jpeg.view") / "assets"
        self.assets = {file.name: file.read_bytes() for file in folder.iterdir()}
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__((HOST, port), _Handler)
        self.origin = f"http://{HOST}:{self.server_port}"

    @property
    def address(self):
        """The address that a browser opens."""
        return f"{self.origin}/{self.token}/"

    def process_request(self, request, client_address):
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request, client_address):
        # A browser that goes away in the middle of an answer is no error.
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE

    def version_string(self):
        return "learned-jpeg"

    def log_message(self, *_):
        pass

    def send_error(self, code, message=None, explain=None):
        """A line of plain text; the base class's page would repeat the request."""
        self._send(code, f"{code}\n".encode(), "text/plain")

    def do_GET(self):
        self._answer(
            {
                r"": self._asset,
                r"([a-z]+\.(?:css|js))": self._asset,
                r"state": self._state,
                r"original/(\d{1,9})": self._original,
                r"thumbnail/(\d{1,9})": self._thumbnail,
                r"file/(\d{1,9})": self._file,
                r"difference/(\d{1,9})": self._difference,
            }
        )

    def do_POST(self):
        making = self.server.making
        self._answer(
            {
                r"pictures\?name=([^&]{0,2000})": self._receive,
                r"remove": self._remove,
                r"choice": lambda: self._tell(making.choice, picture=int, choice=dict),
                r"encoder": lambda: self._tell(making.encoder, picture=int, name=str, bytes=int),
                r"curve": lambda: self._tell(making.curve, picture=int, choice=dict),
            }
        )

    def _answer(self, routes):
        try:
            self._check()
            path = self.path[len(self.server.token) + 2 :]
            for pattern, route in routes.items():
                if match := re.fullmatch(pattern, path):
                    return route(*match.groups())
            raise _RefusedError(404, "nothing here")
        except _RefusedError as refused:
            status, line = refused.args
            self._send(status, f"{line}\n".encode(), "text/plain")
        except ConnectionError:
            raise
        except Exception as error:
            self._send_json({"error": self._line(error)}, 422)

    def _check(self):
        """Refuses requests without the token, of other pages, and by another name of this host."""
        head, token = self.headers, self.path.split("/")[1:2]
        if head.get_all("Host") != [self.server.origin.partition("//")[2]]:
            raise _RefusedError(403, "another host")
        origins = head.get_all("Origin", [])
        if origins not in ([], [self.server.origin]) or (self.command == "POST" and not origins):
            raise _RefusedError(403, "another origin")
        if not self.path.startswith("/") or not token or self.path.count("/") < 2:
            raise _RefusedError(403, "no token")
        if not secrets.compare_digest(token[0].encode(), self.server.token.encode()):
            raise _RefusedError(403, "no token")

    # Answers

    def _send(self, status, content, kind, **more):
        self.send_response(status)
        for name, value in {**_HEADERS, **more}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_json(self, content, status=200):
        data = json.dumps(content, allow_nan=False).encode()
        self._send(status, data, "application/json")

    def _asset(self, name="page.html"):
        if name not in self.server.assets:
            raise _RefusedError(404, "nothing here")
        kind = _KINDS[name[name.rindex(".") :]]
        self._send(200, self.server.assets[name], f"{kind}; charset=utf-8")

    def _state(self):
        making = self.server.making
        pictures = [self._about(picture) for picture in making.pictures]
        limits = {"most_bytes": MOST_BYTES}
        self._send_json({"pictures": pictures, **making.choices.offered(), **limits})

    def _about(self, picture):
        return {"number": picture.number, "name": picture.name, "dropped": picture.path is None}

    def _original(self, number):
        opened = self.server.making.pictures.open(int(number))
        self._send(200, opened.png(), "image/png")

    def _thumbnail(self, number):
        self._send(200, self.server.making.pictures.thumbnail(int(number)), "image/jpeg")

    def _file(self, number):
        self._send(200, self.server.making.files[int(number)].data, "image/jpeg")

    def _difference(self, number):
        self._send(200, self.server.making.difference(int(number)), "image/png")

    # Bodies

    def _length(self, most):
        """The length of the body. Refuses a request without a length, or with one above `most`."""
        text = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not re.fullmatch(r"\d{1,18}", text):
            raise _RefusedError(411, "the length is missing")
        if int(text) > most:
            raise _RefusedError(413, "too large")
        return int(text)

    def _body(self, length):
        """The body; refuses a request that breaks off or comes too slowly."""
        parts, left = [], length
        end = time.monotonic() + _PATIENCE + length / _SLOWEST
        while left:
            part = self.rfile.read1(min(left, 2**20))
            if not part or time.monotonic() > end:
                raise _RefusedError(400, "half a request")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _json(self, **kinds):
        """The values of a JSON object's fields, of these kinds."""
        body = self._body(self._length(MOST_JSON))
        try:
            content = json.loads(body)
            values = [content[name] for name in kinds]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise _RefusedError(400, "not what was asked for") from error
        if any(type(v) is not kind for v, kind in zip(values, kinds.values(), strict=True)):
            raise _RefusedError(400, "not what was asked for")
        return values

    def _receive(self, name):
        length = self._length(MOST_BYTES)
        name = urllib.parse.unquote(name, errors="replace")
        picture = self.server.making.pictures.receive(name, length, lambda: self._body(length))
        self._send_json(self._about(picture))

    def _remove(self):
        (number,) = self._json(picture=int)
        self.server.making.pictures.remove(number)
        self._send_json({})

    def _tell(self, job, **kinds):
        """Answers with a job's messages, a line each, the last one {"done"} or {"error"}."""
        values = self._json(place=str, **kinds)
        self.send_response(200)
        for name, value in {**_HEADERS, "Content-Type": "application/x-ndjson"}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.closing(job(*values)) as told:
            while True:
                try:
                    line = next(told)
                except StopIteration:
                    return
                except CancelledError:
                    line = {"cancelled": True}
                except Exception as error:
                    line = {"error": self._line(error)}
                self.wfile.write(json.dumps(line, allow_nan=False).encode() + b"\n")

    def _line(self, error):
        """The page's message for an error: one line, without a folder of this machine."""
        known = (UserError, OSError, ValueError, RuntimeError, MemoryError, *tensorflow_errors())
        if not isinstance(error, known):
            traceback.print_exception(error)
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        return re.sub(r"(?<![\w.:/])(?:[A-Za-z]:)?[/\\](?:[^\s/\\]+[/\\])+", "", line)
