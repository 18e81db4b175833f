import json
import logging
import subprocess
import sys

from service.logs import FIELDS, REQUEST_ID, JsonLines


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
    token = REQUEST_ID.set("abc")
    try:
        assert line()["request_id"] == "abc"
    finally:
        REQUEST_ID.reset(token)
    assert "request_id" not in line()


def test_an_exception_is_told_in_the_same_line() -> None:
    try:
        raise KeyError("k")
    except KeyError:
        assert "KeyError: 'k'" in str(line(exc_info=sys.exc_info())["exception"])


def test_configuring_sends_lines_to_stderr() -> None:
    code = (
        "import logging; from service import logs; logs.configure('info');"
        "logging.getLogger('service.a').info('one'); logging.getLogger('service.a').debug('two');"
        "logging.getLogger('other').info('three'); logging.getLogger('other').warning('four')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(each)["message"] for each in told.stderr.splitlines()] == ["one", "four"]
