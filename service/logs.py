"""Logs as one JSON object a line, with the request and task that it is about; never inputs, labels or keys."""

import logging
import os
import sqlite3
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any

import orjson

log = logging.getLogger(__name__)

FIELDS = "fields"  # the attribute of a record that carries more than its message
ABOUT: ContextVar[dict[str, Any] | None] = ContextVar("about", default=None)


def begin(**facts: object) -> Token[dict[str, Any] | None]:
    """From here on, lines of this context and of those that it makes are about this request or job."""
    return ABOUT.set(dict(facts))


def note(**facts: object) -> None:
    """Say more of the request or job that is being served, once it is known: its tenant, task or model."""
    about = ABOUT.get()
    if about is not None:
        about.update(facts)


def about() -> Mapping[str, Any]:
    """What is known of the request or job that is being served; it may grow."""
    found = ABOUT.get()
    return {} if found is None else found


class JsonLines(logging.Formatter):
    """A record as JSON: when, how bad, who, what; what it is about and what the caller added."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= about()
        line |= getattr(record, FIELDS, {})
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "\n".join(_told(record.exc_info[1], set()))
        return orjson.dumps(line, default=str).decode()


def configure(level: str) -> None:
    """Send everything that is logged in this process to stderr, the service's own part from `level` up."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # which no line tells
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("python_multipart").setLevel("ERROR")  # it warns of each bad form, whose sender is told anyhow
    logging.getLogger("asyncio").setLevel("CRITICAL")  # it quotes exceptions; `on_lost` tells of them
    logging.getLogger("service").setLevel(level.upper())
    threading.excepthook = _on_thread_end


def on_lost(loop: object, context: Mapping[str, Any]) -> None:
    """The event loop's handler of exceptions that nobody awaited."""
    log.error("an exception was lost", exc_info=context.get("exception"))


def _on_thread_end(ended: threading.ExceptHookArgs) -> None:
    name = None if ended.thread is None else ended.thread.name
    log.critical("a thread ended", exc_info=ended.exc_value, extra={FIELDS: {"thread": name}})


def _told(error: BaseException, seen: set[int]) -> Iterator[str]:
    """What an exception is, where it was raised and why; not its message, which may quote what was sent."""
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _told(before, seen)
    yield f"{type(error).__module__}.{type(error).__qualname__}{_harmless(error)}"
    yield from (each.rstrip() for each in traceback.format_tb(error.__traceback__))
    for each in getattr(error, "exceptions", ()):
        yield from _told(each, seen)


def _harmless(error: BaseException) -> str:
    """As much of the message as can quote nothing: of the system and of databases, whose details are left out."""
    if isinstance(error, sqlite3.Error):
        return f": {error}"
    if isinstance(error, OSError) and error.errno:
        return f": {os.strerror(error.errno)}"
    is_operational = any(kind.__name__ == "OperationalError" for kind in type(error).__mro__)
    state = getattr(error, "sqlstate", None)
    return (
        f": {str(error).splitlines()[0]}" if is_operational and str(error) else f": SQLSTATE {state}" if state else ""
    )
