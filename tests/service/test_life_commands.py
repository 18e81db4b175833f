"""`kshot tasks` and `kshot jobs`: the life of a task by commands alone, against a service with a real model."""

import json
import re
from pathlib import Path

from tests.service.test_task_commands import Kshot, kshot, made, refused
from tests.service.texts import NAMES, SAID

__all__ = ["kshot"]


def told(kshot: Kshot, *arguments: object) -> str:
    result = kshot(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_life_of_a_task(kshot: Kshot, tmp_path: Path) -> None:
    names, more = tmp_path / "names.json", tmp_path / "more.csv"
    names.write_text(json.dumps(NAMES))
    task = made(kshot("adapt", "--names", names, "--model", "named"))
    more.write_text(f"text,label,id\n{SAID[0]},card_lost,mine\n{SAID[1]},weather,other\n")
    extended = kshot("tasks", "extend", task, more)
    assert extended.stdout.split() == ["mine", "other"] and "version 2, 5 examples" in extended.stderr
    shown = told(kshot, "tasks", "show", task)
    assert "labels: card_lost, weather, music" in shown and re.search(r"mine +card_lost +2", shown)
    assert "transferred_from: (none)" in shown and "suspects: (none)" in shown
    support = json.loads(told(kshot, "tasks", "show", task, "--json"))["support"]
    assert [each["role"] for each in support] == ["name"] * 3 + ["example"] * 2
    assert "version 3, 4 examples" in told(kshot, "tasks", "forget", task, "mine")
    refused(kshot("tasks", "forget", task, "mine"), "no example 'mine'")
    assert "erased" in told(kshot, "tasks", "versions", task)
    listed = json.loads(told(kshot, "tasks", "versions", task, "--json"))
    assert [each["origin"] for each in listed] == ["forget", "extend", "adapt"]
    assert "version 4 is as version 1" in told(kshot, "tasks", "rollback", task, 1)


def test_a_task_is_evaluated_and_deleted(kshot: Kshot, tmp_path: Path) -> None:
    names, held = tmp_path / "names.json", tmp_path / "held.csv"
    names.write_text(json.dumps(NAMES))
    task = made(kshot("adapt", "--names", names, "--model", "named"))
    rows = [*zip(SAID, NAMES, strict=True), ("two and two are four", "strange")]
    held.write_text("\n".join(["text,label", *map(",".join, rows)]))
    shown = told(kshot, "tasks", "evaluate", task, held, "--none-label", "strange", "--compare-with", 1)
    assert (
        re.search(r"accuracy +1 \(95%: 0\.439 to 1\) +1 \(95%: 0\.439 to 1\)", shown)
        and "caught, of 1" in shown
        and "interval" in shown
    )
    found = json.loads(told(kshot, "tasks", "evaluate", task, held, "--json"))
    assert found["unknown_labels"] == ["strange"] and found["unknown"]["num_examples"] == 1
    held.write_text("text,label\n ,music\n")
    refused(kshot("tasks", "evaluate", task, held), "held.csv:2", "empty")

    assert kshot("tasks", "delete", task, input="n\n").exit_code == 1
    assert "deleted" in told(kshot, "tasks", "delete", task, "--yes")
    refused(kshot("tasks", "show", task), "no task")


def test_a_list_of_tasks_fits_a_terminal(kshot: Kshot, tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text("\n".join(json.dumps({"input": [x], "target": x}) for x in range(3)))
    task = made(kshot("adapt", tmp_path / "curve.jsonl", "--model", "curves", "--name", "a name that is rather long"))
    lines = kshot("tasks", "list", "--model", "curves", env={"COLUMNS": "80"}).stdout.splitlines()
    assert "examples" in lines[0] and task in lines[1] and all(len(line) <= 80 and line.strip() for line in lines)


def test_jobs(kshot: Kshot) -> None:
    assert told(kshot, "jobs", "list", "--json").strip() == "[]" and "state" in told(kshot, "jobs", "list")
    refused(kshot("jobs", "show", "job_1"), "no job")
    refused(kshot("jobs", "cancel", "job_1"), "no job")
