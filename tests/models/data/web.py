"""A web server for downloads on a free port: it can serve ranges, cut connections, lie and fail."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """What lies at each path, and how the server treats those who ask."""

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    cut_after: int | None = None  # bytes of an answer, before its connection is cut; once
    asked: list[str | None] = field(default_factory=list)  # the Range of each request

    def address(self, path: str) -> str:
        return f"{self.url}/{path}"


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    """The web at `web.url` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Range")
            web.asked.append(given)
            content = web.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = int(given.removeprefix("bytes=").rstrip("-")) if given and web.ranges else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut, web.cut_after = web.cut_after, None
            self.wfile.write(content[start : None if cut is None else start + cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
