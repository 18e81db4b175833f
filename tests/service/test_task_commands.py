"""`kshot adapt` and `kshot predict` against a service with real models, from files as people have them."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from service.app import create_app
from service.cli import app
from service.settings import Settings
from tests.service.api.live import live
from tests.service.codec.pictures import saved, stroke
from tests.service.texts import NAMES, SAID, text_model

Kshot = Callable[..., Result]


@pytest.fixture(scope="module")
def kshot(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kshot]:
    """Runs the command against a service of its own."""
    path = copy(sqlite_template, tmp_path_factory.mktemp("commands") / "kshot.db")
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{path}",
        threads=1,
        auth="off",
        models=text_model(tmp_path_factory.mktemp("models")),
    )
    with live(create_app(settings)) as url:
        runner = CliRunner(env={"COLUMNS": "200", "KSHOT_URL": url, "KSHOT_API_KEY": ""})
        yield lambda *arguments, **options: runner.invoke(app, [str(each) for each in arguments], **options)


def made(result: Result) -> str:
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("task_")
    return result.stdout.strip()


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert all(word in result.output for word in words), result.output
    assert "support." not in result.output and "inputs." not in result.output


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for name, size in (("tall", (30, 60)), ("wide", (60, 20))):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in (1, 2):
            (tmp_path / "pets" / name / f"{number}.png").write_bytes(saved(stroke(size)))
    return tmp_path / "pets"


def test_a_folder(kshot: Kshot, pets: Path) -> None:
    task = made(kshot("adapt", pets, "--name", "pets"))
    shown = kshot("predict", task, pets / "tall" / "1.png", pets / "wide")
    assert shown.exit_code == 0 and [line.split()[1] for line in shown.stdout.splitlines()[1:]] == [
        "tall",
        "wide",
        "wide",
    ]
    lines = [json.loads(line) for line in kshot("predict", task, pets, "--json").stdout.splitlines()]
    assert [Path(line["input"]).parent.name for line in lines] == [line["label"] for line in lines]
    assert lines[0]["scores"].keys() == {"tall", "wide"}

    (pets / "wide" / "3.png").write_bytes(b"GIF89a")
    refused(kshot("adapt", pets), str(pets / "wide" / "3.png"), "not a PNG, JPEG or WebP")
    refused(kshot("predict", task, pets), str(pets / "wide" / "3.png"))
    for number in range(4, 8):
        (pets / "wide" / f"{number}.png").write_bytes(b"GIF89a")
    many = kshot("predict", task, pets)
    assert "and 3 more of the same" in many.output and str(pets / "wide" / "7.png") not in many.output
    for number in range(4, 8):
        (pets / "wide" / f"{number}.png").unlink()
    (pets / "tall" / "3.png").write_bytes(b"GIF89a")
    refused(kshot("adapt", pets), str(pets / "tall" / "3.png"), str(pets / "wide" / "3.png"))


def vector(way: int, number: int) -> list[float]:
    return [float(way) + 0.01 * ((7 * number + 3 * column) % 11) for column in range(64)]


def table(path: Path) -> Path:
    header = ",".join([*(f"x{column}" for column in range(64)), "y", "id"])
    rows = [[*vector(way, number), "ab"[way], f"r{way}{number}"] for way in range(2) for number in range(3)]
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]))
    return path


def test_a_csv_of_vectors(kshot: Kshot, tmp_path: Path) -> None:
    path = table(tmp_path / "data.csv")
    task = made(kshot("adapt", path, "--model", "vectors", "--label-column", "y"))
    printed = kshot("predict", task, path, "--label-column", "y", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["input"], row["label"]) for row in rows] == [
        (f"r{way}{n}", "ab"[way]) for way in range(2) for n in range(3)
    ]
    assert all(float(row["probability"]) > 0.5 for row in rows)
    again = kshot("predict", task, "-", "--format", "csv", "--ignore", "y", "--csv", input=path.read_text())
    assert again.stdout == printed

    refused(kshot("adapt", path, "--model", "vectors"), "data.csv:2", "has neither label nor target")
    short = path.read_text().replace(",y,", ",label,").replace("x63", "extra")
    path.write_text(short)
    refused(kshot("adapt", path, "--model", "vectors", "--ignore", "extra"), f"{path}:2", "64")
    refused(kshot("adapt", path, "--model", "glyphs"), f"{path}:2", "expected an image")
    refused(kshot("adapt", path), "--model", "kshot models")
    path.write_text(short.replace(",b,", ",\u3000,"))
    refused(kshot("adapt", path, "--model", "vectors"), f"{path}:5: label", "blank")


def test_a_csv_is_read_as_its_model_takes_it(kshot: Kshot, tmp_path: Path) -> None:
    path, asked = tmp_path / "table.csv", tmp_path / "asked.csv"
    path.write_text("length,colour,y\n1.5,red,a\n1.6,red,a\n1.4,,a\n7,blue,b\n7.5,blue,b\n8,,b\n")
    asked.write_text("length,colour\n1.3,red\n,blue\n")
    task = made(kshot("adapt", path, "--model", "tables", "--label-column", "y"))
    answers = csv.DictReader(io.StringIO(kshot("predict", task, asked, "--csv").stdout))
    assert [row["label"] for row in answers] == ["a", "b"]
    assert kshot("tasks", "extend", task, path, "--label-column", "y").exit_code == 0
    assert "accuracy" in kshot("tasks", "evaluate", task, path, "--label-column", "y").stdout
    said = ("--format", "csv", "--label-column", "y", "--cells")  # of a model that does not take them
    refused(kshot("adapt", "-", "--model", "vectors", *said, input=path.read_text()), "-:2")
    refused(kshot("adapt", path, "--model", "vectors", "--label-column", "y"), "'colour'", "models of tables")
    refused(kshot("adapt", path, "--model", "none", "--label-column", "y"), "no model 'none'")
    refused(kshot("predict", "task_0", asked), "no task 'task_0'")


def test_columns_are_known_by_their_names(kshot: Kshot, tmp_path: Path) -> None:
    path, other, lines = tmp_path / "table.csv", tmp_path / "other.csv", tmp_path / "asked.jsonl"
    path.write_text(
        "age,calls,plan,y\n20,1,old,stay\n25,0,old,stay\n23,2,new,stay\n60,9,new,go\n65,8,old,go\n61,7,new,go\n"
    )
    task = made(kshot("adapt", path, "--model", "tables", "--label-column", "y"))

    def answers(*arguments: object) -> list[str]:
        found = kshot("predict", task, *arguments, "--csv")
        return [row["label"] for row in csv.DictReader(io.StringIO(found.stdout))]

    other.write_text("plan,calls,age\nold,1,21\nold,8,64\n")
    lines.write_text('{"calls": 9, "plan": "new", "age": 62}\n{"age": 22, "plan": "old", "calls": 1}\n')
    assert answers(other) == ["stay", "go"] and answers(lines) == ["go", "stay"]
    assert answers(path, lines, "--label-column", "y") == [*["stay"] * 3, *["go"] * 4, "stay"]
    other.write_text("plan,calls,years\nold,1,21\n")
    refused(kshot("predict", task, other), "lacks 'age' and has 'years'")
    refused(kshot("predict", task, path), "has 'y' beyond them", "--label-column says which has the labels")
    refused(kshot("predict", task, lines, other), f"{other}:2", "calls, plan, age")
    other.write_text("calls,age,plan,y\n8,66,old,go\n")
    assert kshot("tasks", "extend", task, other, "--label-column", "y").exit_code == 0
    assert "1 (95%" in kshot("tasks", "evaluate", task, other, "--label-column", "y").stdout
    assert "columns: age, calls, plan" in kshot("tasks", "show", task).stdout
    lines.write_text('{"calls": 9, "plan": "new", "age": 62}\n{"age": 22, "plan": "old"}\n')
    refused(kshot("predict", task, lines), f"{lines}:2", "lacks 'calls'")
    other.write_text(",calls,age,plan\n0,8,66,old\n")
    refused(kshot("predict", task, other), "has no name", "--ignore")
    assert answers(other, "--ignore", "") == ["go"]


def test_numbers_that_count_as_words_or_classes_are_told_of(kshot: Kshot, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('price,y\n1,a\n2,a\n3,a\n900,b\n"1,000",b\n1100,b\n')
    told = kshot("adapt", path, "--model", "tables", "--label-column", "y").stderr
    assert f"column 'price': 1 of 6 cells are no numbers ('1,000' at {path}:6): all are words" in told
    assert "taken for classes" not in told
    path.write_text("price,y\n1,1.5\n2,2.5\n3,3\n4,4\n")
    told = kshot("adapt", path, "--model", "universal", "--label-column", "y").stderr
    assert "The 4 labels are numbers and are taken for classes" in told and "no numbers" not in told
    path.write_text("colour,y\nred,0\nblue,1\nred,0\ngreen,1\n")
    told = kshot("adapt", path, "--model", "tables", "--label-column", "y").stderr
    assert "taken for classes" not in told and "no numbers" not in told


def test_a_task_without_names_of_columns_is_asked_by_place(kshot: Kshot, tmp_path: Path) -> None:
    path, asked = tmp_path / "rows.jsonl", tmp_path / "asked.csv"
    path.write_text("\n".join(json.dumps({"input": [x, 1], "label": "ab"[x > 3]}) for x in (1, 2, 6, 7)))
    asked.write_text("x,one\n1,1\n7,1\n")
    task = made(kshot("adapt", path, "--model", "tables"))
    found = kshot("predict", task, asked, "--csv")
    assert [row["label"] for row in csv.DictReader(io.StringIO(found.stdout))] == ["a", "b"]
    assert "by their place" in found.stderr


def test_a_model_of_numbers_takes_either_column_for_them(kshot: Kshot, tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("\n".join(["raw,y", *(f"{x},{2 * x + 1}" for x in range(-3, 4))]))
    by_label = made(kshot("adapt", path, "--model", "curves", "--label-column", "y"))
    by_target = made(kshot("adapt", path, "--model", "curves", "--target-column", "y"))
    asked = (path, "--label-column", "y", "--csv")
    assert kshot("predict", by_label, *asked).stdout == kshot("predict", by_target, *asked).stdout
    assert "mse" in kshot("tasks", "evaluate", by_label, path, "--label-column", "y").stdout


def test_lines_of_json(kshot: Kshot, tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    lines = [{"input": [x], "target": 2 * x + 1} for x in range(-3, 4)]
    path.write_text("\n".join(map(json.dumps, lines)))
    task = made(kshot("adapt", path, "--model", "curves"))
    assert all(len(line.split()[1]) < 12 for line in kshot("predict", task, path).stdout.splitlines())
    shown = kshot("predict", task, path, "--json")
    assert [json.loads(line).keys() for line in shown.stdout.splitlines()] == [{"input", "mean", "std"}] * 7
    assert made(kshot("adapt", "-", "--model", "curves", input=path.read_text()))
    assert "mean" in kshot("predict", task, path, "--csv").stdout.splitlines()[0]
    nan = path.read_text() + '\n{"input": [NaN], "target": 1}'
    refused(kshot("adapt", "-", "--model", "curves", input=nan), "-:8: number 1", "finite")
    refused(kshot("predict", task, "-", input='\n{"input": [1, 2]}'), "-:2")
    refused(kshot("predict", task, "-", input=""), "nothing to ask about")


def test_what_labels_mean_and_several_labels(kshot: Kshot, tmp_path: Path) -> None:
    names, asked, lines = (tmp_path / name for name in ("names.json", "asked.csv", "lines.jsonl"))
    names.write_text(json.dumps(NAMES))
    asked.write_text("\n".join(["text", *SAID]))
    task = made(kshot("adapt", "--names", names, "--model", "named"))
    found = list(csv.DictReader(io.StringIO(kshot("predict", task, asked, "--csv").stdout)))
    assert [row["label"] for row in found] == list(NAMES) and all(0 < float(row["unknown"]) < 1 for row in found)
    assert "unknown" in kshot("predict", task, asked).stdout
    by_text = kshot("predict", task, "--text", SAID[0], "--text", SAID[2], "--csv").stdout
    assert [row["label"] for row in csv.DictReader(io.StringIO(by_text))] == ["card_lost", "music"]
    cut = kshot("predict", task, "--text", SAID[0], "--text", "card " * 99, "--json")
    assert [json.loads(line).get("truncated") for line in cut.stdout.splitlines()] == [None, True]
    cut = kshot("predict", task, "--text", SAID[0], "--text", "card " * 99, "--csv")
    assert [row["truncated"] for row in csv.DictReader(io.StringIO(cut.stdout))] == ["", "true"]
    refused(kshot("predict", task, SAID[0]), "There is no file", "--text")
    asked.write_text("\n".join(["message,kind", *(f"{said},{label}" for said, label in zip(SAID, NAMES, strict=True))]))
    columns = ["--text-column", "message", "--label-column", "kind"]
    assert made(kshot("adapt", asked, "--model", "named", *columns))
    refused(kshot("adapt", asked, "--model", "named", *columns[2:]), "asked.csv:2", "'message'", "--text-column")
    refused(kshot("adapt", asked, *columns), "--model, such as text")
    asked.write_text("\n".join(["text", *SAID]))

    several = [["music", "weather"], ["weather"], []]
    rows = [{"input": said, "label": labels} for said, labels in zip(SAID, several, strict=True)]
    lines.write_text("\n".join(map(json.dumps, rows)))
    task = made(kshot("adapt", lines, "--names", names, "--model", "named"))
    shown = [json.loads(line) for line in kshot("predict", task, asked, "--json").stdout.splitlines()]
    assert all(line.keys() == {"input", "labels", "scores"} for line in shown)
    assert kshot("predict", task, asked).exit_code == kshot("predict", task, asked, "--csv").exit_code == 0

    refused(kshot("adapt", "--names", names, "--model", "curves"), "label_names", "what labels mean")
    refused(kshot("adapt", "--model", "named"), "--names")
    names.write_text("[]")
    refused(kshot("adapt", "--names", names, "--model", "named"), "names.json", "expected an object of JSON")


def test_a_body_of_json(kshot: Kshot, tmp_path: Path) -> None:
    body = {"model": "curves", "support": [{"input": [x], "target": x} for x in (0.0, 1.0, 2.0)]}
    (tmp_path / "task.json").write_text(json.dumps(body))
    (tmp_path / "ask.json").write_text('{"inputs": [[0.5]]}')
    task = made(kshot("adapt", tmp_path / "task.json"))
    shown = kshot("predict", task, tmp_path / "ask.json", "--json")
    assert json.loads(shown.stdout)["input"] == "inputs.0"
    refused(kshot("predict", task, tmp_path / "nope.png"), "There is no file", "nope.png")
    two = kshot("predict", task, tmp_path / "ask.json", tmp_path / "ask.json")
    assert two.exit_code == 1 and "no other file" in two.output


def test_a_body_of_json_says_all_itself(kshot: Kshot, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text("{}")
    body = tmp_path / "body.json"
    refused(kshot("adapt", body, "--model", "vectors", "--name", "n"), "whole request", "--model, --name")
    refused(kshot("predict", "task_0", body, "--ignore", "x"), "whole request", "--ignore")


def test_what_is_no_image_in_a_folder_is_passed_over_and_named(kshot: Kshot, pets: Path) -> None:
    for stray in ("notes.txt", "tall/notes.txt", "wide/.DS_Store"):
        (pets / stray).write_text("notes")
    result = kshot("adapt", pets)
    task = made(result)
    assert "4 examples" in result.stderr
    assert f"passed over, for being no image in the folder of a label: {pets}/notes.txt, " in result.stderr
    assert f"{pets}/tall/notes.txt" in result.stderr and ".DS_Store" not in result.stderr
    asked = kshot("predict", task, pets / "tall", "--json")
    assert len(asked.stdout.splitlines()) == 2 and f"{pets}/tall/notes.txt" in asked.stderr
    for path in pets.glob("*/*.png"):
        path.unlink()
    refused(kshot("adapt", pets), "holds no examples", "a folder of images a label")


def test_a_file_that_may_not_be_read(kshot: Kshot, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = pets / "tall" / "2.png"
    gone.unlink()
    gone.symlink_to(pets)  # a folder where a file should be
    assert made(kshot("adapt", pets))
    (pets / "data.csv").write_text("image,label\ntall/2.png,a\n")
    refused(kshot("adapt", pets / "data.csv"), "data.csv:2: there is no file")


def test_limits(kshot: Kshot) -> None:
    shown = kshot("limits")
    assert shown.exit_code == 0 and "5,000" in shown.output and "no limit" in shown.output, shown.output
    assert json.loads(kshot("limits", "--json").stdout)["quotas"]["tasks"]["limit"] is None


def test_labels_and_texts_are_shown_as_they_are(kshot: Kshot, tmp_path: Path) -> None:
    odd = ["[/b]", "d [red]x[/red]", ":smile:"]
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(["text,label", *(f"{said},{label}" for said, label in zip(SAID, odd, strict=True))]))
    task = made(kshot("adapt", path, "--model", "named", "--name", "[/i] name"))
    texts = ["see [/x]", "see [bold]y[/bold]"]
    asked = kshot("predict", task, *(word for text in texts for word in ("--text", text)))
    assert asked.exit_code == 0 and all(text in asked.stdout for text in texts)
    by_itself = kshot("predict", task, "--text", SAID[1])
    assert by_itself.exit_code == 0 and any(label in by_itself.stdout for label in odd)
    shown = kshot("tasks", "show", task)
    assert shown.exit_code == 0 and all(shown.stdout.count(label) == 2 for label in odd)
    assert "metadata: (none)" in shown.stdout and "None" not in shown.stdout and "{}" not in shown.stdout
    assert "[/i] name" in kshot("tasks", "list").stdout


def test_what_is_expected_of_a_task_and_which_example_looks_wrong(kshot: Kshot, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    header = ",".join(["label", *(f"x{column}" for column in range(64))])
    rows = [("ab"[way], vector(way, number)) for way in range(2) for number in range(8)] + [("b", vector(0, 3))]
    path.write_text("\n".join([header, *(",".join(map(str, [label, *each])) for label, each in rows)]))
    told = kshot("adapt", path, "--model", "vectors")
    task = made(told)
    assert re.search(r"expected accuracy \d+% \(\d+ to \d+\)", told.stderr)
    assert re.search(rf"looks wrong: {path}:18 \(example_\w+\) has the label b, the others say a \(\d+%", told.stderr)
    wrong = re.findall(r"example_\w+", told.stderr)
    more = [",".join(map(str, ["ab"[way], *vector(way, 9)])) for way in range(2)]
    path.write_text("\n".join([header, *more]))
    extended = kshot("tasks", "extend", task, path)
    assert "expected accuracy" in extended.stderr and f"looks wrong: {wrong[0]} has the label b" in extended.stderr
    example = extended.stdout.split()[-1]
    assert "expected accuracy" in kshot("tasks", "forget", task, example).stderr


def test_pictures_in_colour_go_to_photos(kshot: Kshot, pets: Path, sqlite_url: str) -> None:
    drawn = kshot("adapt", pets)
    assert made(drawn) and "by glyphs" in drawn.stderr and "photos" not in drawn.stderr
    for path in pets.glob("*/*.png"):
        noise = np.random.default_rng(len(path.name)).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    told = kshot("adapt", pets)
    assert made(told) and "by photos" in told.stderr and "--model glyphs" in told.stderr
    chosen = kshot("adapt", pets, "--model", "glyphs")
    assert made(chosen) and "by glyphs" in chosen.stderr and "photos" not in chosen.stderr
    few = Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("glyphs",))
    with live(create_app(few)) as url:
        absent = kshot("adapt", pets, "--url", url)
    refused(absent, "no model 'photos'", "glyphs", "--model glyphs")
    assert not absent.stdout
