"""The one schema of data: what is read into it, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.check import Report, checked
from models.data.named import READERS
from models.data.own import read_own
from models.data.schema import DataSet, Example
from models.data.sources import SOURCES


def said(report: Report, level: str) -> str:
    return "\n".join(finding.message for finding in report.findings if finding.level == level)


def vectors(*rows: tuple[list[float], str], licence: str = "MIT") -> DataSet:
    return DataSet("v", "vector", [Example(row, label) for row, label in rows], "", licence)


GOOD = (([1.0, 2.0], "a"), ([2.0, 1.0], "a"), ([3.0, 3.5], "b"), ([4.0, 4.5], "b"))


def test_good_data_has_facts_and_no_findings() -> None:
    report = checked(vectors(*GOOD))
    assert report.is_usable and not report.findings
    assert report.facts["rows"] == "4: 4 train"
    assert report.facts["modality"] == "vector of 2 numbers"
    assert report.facts["labels"].startswith("2 of 2 to 2 rows")


def test_what_makes_no_task_is_an_error() -> None:
    report = checked(vectors(([1.0], "a"), ([2.0], "b"), ([3.0], "b")))
    assert not report.is_usable
    assert "no family has two labels with two rows each" in said(report, "error")
    assert "labels of one row are in no task: a" in said(report, "warning")
    report = checked(DataSet("r", "vector", [Example([1.0], target=(2.0,)), Example([2.0], target=(2.0,))]))
    assert "targets never vary" in said(report, "error")


def test_warnings_name_what_is_doubtful() -> None:
    rows = [*GOOD, ([1.0, 2.0], "b"), ([5.0, 5.0], " A"), ([6.0, float("nan")], " A")]
    told = said(checked(vectors(*rows, licence="")), "warning")
    for part in (
        "no licence is stated",
        "1 inputs have more than one label: row 1",
        "being that of an earlier one: 1",
        "labels differ by case or blanks only: ' A' and 'a'",
        "7.1% of the cells are missing",
    ):
        assert part in told


def test_the_same_text_in_training_and_test_is_told() -> None:
    texts = [Example("one", "a"), Example("two", "a"), Example("three", "b"), Example("one", "a", split="test")]
    report = checked(DataSet("t", "text", [*texts, Example("  ", "b"), Example("w " * 61, "b")], "", "MIT"))
    assert "1 inputs are in more than one split: figures would be too good: 'one'" in said(report, "warning")
    assert "more than 60 words" in said(report, "warning")
    assert "texts are blank" in said(report, "error")


def test_images_are_opened(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), len(name) + ord(name[0]), np.uint8)).save(tmp_path / name)
    (tmp_path / "LICENSE").write_text("# CC0 1.0\n\nFree.\n")
    data = read_own(tmp_path)
    assert data.licence == "CC0 1.0" and checked(data).is_usable
    (tmp_path / "b/2.png").write_bytes(b"no image")
    report = checked(read_own(tmp_path))
    assert not report.is_usable and "2.png: the bytes are not" in said(report, "error")


def test_a_csv_has_targets_and_splits(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("target,x,split\n1.5,1,train\n2,2,test\n2.5,3,\n")
    data = read_own(tmp_path / "t.csv")
    assert data.kind == "regression"
    assert [(each.input, each.target, each.split) for each in data.examples] == [
        ([1.0], (1.5,), "train"),
        ([2.0], (2.0,), "test"),
        ([3.0], (2.5,), "train"),
    ]
    assert checked(data).facts["targets"] == "1.5 to 2.5"
    assert set(DataSet("x", "text", [Example("a", "l"), Example("b", "m", split="val")]).classes("val")) == {("", "m")}


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - {"omniglot-vinyals"}))
def test_every_public_set_has_a_reader(name: str) -> None:
    assert name in READERS
