"""The command `kshot tune`: what it searches, what it remembers, what it says of wrong arguments."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.training.tune import NotTunable, Range, read_range
from service.cli import app


def tune(folder: Path, *words: str) -> tuple[int, str]:
    arguments = ["tune", "vectors", *words, "--set", "num_steps=1", "--out", str(folder)]
    ran = CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments)
    return ran.exit_code, ran.output


def test_ranges_are_read() -> None:
    assert read_range("rate=1e-3..0.1") == Range("rate", 0.001, 0.1)
    assert read_range("weights=fixed|uncertainty") == Range("weights", choices=("fixed", "uncertainty"))
    assert read_range("width=64|128").choices == (64, 128)
    for wrong in ("rate", "rate=1", "rate=2..1", "=1..2", "rate=a..b"):
        with pytest.raises(NotTunable, match="is no range"):
            read_range(wrong)


def test_the_best_of_some_tries_is_told_as_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    from models.training import recipes
    from models.training.vectors import vectors

    def small(data: Path, num_steps: int = 600, seen: float = 1.0) -> object:
        run = vectors(data, num_steps)
        return run.__class__(**{**vars(run), "validate": lambda learner: {"near 3": -abs(seen - 3.0), "other": 0.0}})

    monkeypatch.setitem(recipes.RECIPES, "vectors", small)
    code, told = tune(tmp_path, "--range", "seen=1..9", "--trials", "4", "--metric", "near 3")
    assert code == 0, told
    values = [float(line.split(": ")[1].split()[0]) for line in told.splitlines() if line.startswith("try")]
    assert len(values) == 4 and f"best: {max(values):.4f} with seen=" in told
    assert "kshot train vectors --set num_steps=1 --set seen=" in told
    code, told = tune(tmp_path, "--range", "seen=1..9", "--trials", "5", "--metric", "near 3")
    assert code == 0 and told.count("try") == 1 and "try 4:" in told  # the others are remembered
    code, told = tune(tmp_path, "--range", "seen=1..9", "--trials", "1")
    assert code == 0 and "try 0:" in told  # by another metric: no try of the first counts
    code, told = tune(tmp_path / "other", "--range", "seen=1..9", "--metric", "nearest")
    assert code == 2 and "the validation has no 'nearest'; it has near 3, other" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--range", "speed=1..2"], "the recipe takes no 'speed'; it takes num_steps"),
        (["--range", "num_steps=1"], "is no range"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, words: list[str], said: str) -> None:
    pytest.importorskip("optuna")
    code, told = tune(tmp_path, *words)
    assert code == 2 and said in " ".join(told.replace("│", " ").split())
