import json
import logging
import subprocess
import sys
from contextvars import copy_context

from service.logs import ABOUT, FIELDS, JsonLines, begin, note


def line(**extra: object) -> dict[str, object]:
    record = logging.LogRecord("service.x", logging.WARNING, "x.py", 1, "saw %d\nof them", (3,), None)
    record.__dict__.update(extra)
    made = JsonLines().format(record)
    assert "\n" not in made
    parsed: dict[str, object] = json.loads(made)
    return parsed


def test_a_record_is_one_line_of_json() -> None:
    made = line(**{FIELDS: {"status": 200}})
    assert str(made.pop("time")).endswith("+00:00")
    assert made == {"level": "warning", "logger": "service.x", "message": "saw 3\nof them", "status": 200}


def test_a_line_carries_the_id_of_its_request() -> None:
    def inside() -> dict[str, object]:
        begin(request_id="abc")
        note(tenant="acme")
        return line()

    told = copy_context().run(inside)
    assert (told["request_id"], told["tenant"]) == ("abc", "acme")
    note(tenant="nobody's")
    assert ABOUT.get() is None and "tenant" not in line()


def test_an_exception_is_told_in_the_same_line_without_its_message() -> None:
    try:
        try:
            raise KeyError("hunter2")
        except KeyError as error:
            raise ValueError("hunter2") from error
    except ValueError:
        told = str(line(exc_info=sys.exc_info())["exception"])
    assert told.startswith("builtins.KeyError\n") and "\nbuiltins.ValueError\n" in told
    assert "test_logs.py" in told and told.count("hunter2") == 2  # in the lines of this file


def test_configuring_sends_lines_to_stderr() -> None:
    code = (
        "import logging; from service import logs; logs.configure('info');"
        "logging.getLogger('service.a').info('one'); logging.getLogger('service.a').debug('two');"
        "logging.getLogger('other').info('three'); logging.getLogger('other').warning('four')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(each)["message"] for each in told.stderr.splitlines()] == ["one", "four"]
