import csv
from pathlib import Path

import pytest

from models.training.log import Log, draw_curves


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_rows_have_a_header_and_a_new_figure_gets_a_column(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv")
    log.add(20, {"loss": 1.25})
    log.add(40, {"loss": 0.5, "held": 0.75})
    log.add(60, {"loss": 0.25})
    assert rows(tmp_path / "log.csv") == [
        {"step": "20", "loss": "1.25", "held": ""},
        {"step": "40", "loss": "0.5", "held": "0.75"},
        {"step": "60", "loss": "0.25", "held": ""},
    ]


def test_a_resumed_run_goes_on_after_its_last_saved_step(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv")
    for step in (20, 40, 60):
        log.add(step, {"loss": step / 10, "seconds": float(step)})
    with (tmp_path / "log.csv").open("a") as file:
        file.write("8")  # a row that was cut short
    again = Log(tmp_path / "log.csv", first=40)
    assert again.seconds == 40
    again.add(60, {"loss": 1.0, "seconds": 61.0})
    assert [row["loss"] for row in rows(tmp_path / "log.csv")] == ["2", "4", "1"]


def test_curves_are_drawn_from_the_log(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    log = Log(tmp_path / "log.csv")
    assert draw_curves(log.path, tmp_path / "curves.png")
    for step in (20, 40):
        log.add(step, {"loss": 1 / step, "seconds": float(step)})
    assert draw_curves(log.path, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "log.csv"]
