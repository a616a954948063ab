"""Mirrors on a loopback server: they serve the files that a test gives them, or fail in the way it chooses."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """One mirror per folder of `answers`, which has the bytes of a path or a function that answers in another way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, bytes | Answer] = {}
        self.requests: list[str] = []

    def mirror(self, name: str, answers: dict[str, bytes] | dict[str, Answer]) -> str:
        """The address of a folder with these files."""
        self.answers |= {f"/{name}/{file}": answer for file, answer in answers.items()}
        return f"http://127.0.0.1:{self.server_address[1]}/{name}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        answer = self.server.answers.get(self.path)
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(raw: bytes) -> Answer:
    """An answer with these bytes, whatever the path."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + raw)

    return answer
