"""One file from the web to the disk: resumed where it was cut, whole or not there at all, errors in sentences."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import httpx

TRIES = 4  # in a row that bring nothing new
TIMEOUT_S = 30.0
FULL = (errno.ENOSPC, errno.EDQUOT)

Report = Callable[[int, int | None], None]  # bytes so far, bytes in all if that is known


class NotDownloaded(Exception):
    """A file could not be had; the message is a sentence for whoever asked for it."""


def fetch(url: str, path: Path, report: Report = lambda done, total: None, pause_s: float = 1.0) -> None:
    """Download `url` to `path`; what an earlier, interrupted call left in `path`.partial is gone on from."""
    if path.is_file():
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with httpx.Client(follow_redirects=True, timeout=TIMEOUT_S) as client:
            _until_whole(client, url, partial, report, pause_s)
        partial.replace(path)
    except OSError as error:
        reason = "the disk is full; what has arrived is kept" if error.errno in FULL else str(error)
        raise NotDownloaded(f"{path} cannot be written: {reason}") from None


def _until_whole(client: httpx.Client, url: str, partial: Path, report: Report, pause_s: float) -> None:
    """Try again after a cut connection, going on from what has arrived; give up when nothing new comes."""
    tries = 0
    while True:
        before = _size(partial)
        try:
            return _download(client, url, partial, report)
        except (httpx.TransportError, httpx.TimeoutException) as error:
            tries = 1 if _size(partial) > before else tries + 1
            if tries >= TRIES:
                raise NotDownloaded(
                    f"{url} cannot be reached ({error or type(error).__name__}). "
                    "Check the connection and try again: it goes on from what has arrived."
                ) from None
            time.sleep(pause_s)


def _download(client: httpx.Client, url: str, partial: Path, report: Report) -> None:
    have = _size(partial)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink()  # of another file, or whole already: from the start either way
            raise httpx.RemoteProtocolError("what had arrived does not fit")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise NotDownloaded(f"{url} answers {answer.status_code} {answer.reason_phrase}.")
        if answer.status_code == httpx.codes.OK:  # the whole file, from the start
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with partial.open("r+b" if have else "wb") as file:
            file.seek(have)
            for piece in answer.iter_raw():
                file.write(piece)
                have += len(piece)
                report(have, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
