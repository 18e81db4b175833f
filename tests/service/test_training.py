"""The command `kshot train`: where its work goes, and what it says of wrong arguments."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.card import read_card
from models.training.figures import Figure
from service.cli import app
from tests.models.training.tiny import write_omniglot

SMALL = ("channels=8", "num_images=20", "num_steps=1")


def kshot_train(folder: Path, *chosen: str) -> tuple[int, str]:
    """The exit code and the output of `kshot train omniglot` with these arguments, on made-up characters."""
    arguments = ["train", "omniglot", *(word for pair in chosen for word in ("--set", pair))]
    ran = CliRunner(env={"KSHOT_DATA": str(folder), "COLUMNS": "200"}).invoke(app, arguments)
    return ran.exit_code, ran.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_omniglot(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_method_has_a_run_of_its_own(folder: Path) -> None:
    for method in ("protonet", "r2d2"):
        code, output = kshot_train(folder, f"method={method}", *SMALL)
        assert code == 0, output
        model = Path("runs") / f"omniglot-{method}" / "models" / f"omniglot-{method}"
        assert str(model) in output
        assert read_card(folder / model).name == f"omniglot-{method}"
    code, output = kshot_train(folder, "method=protonet", *SMALL)
    assert code == 2 and "holds a finished run" in output


@pytest.mark.parametrize(
    ("pair", "said"), [("method=mamal", "there are protonet"), ("ways=5", "omniglot takes no ways; --set takes ")]
)
def test_wrong_arguments_are_named(folder: Path, pair: str, said: str) -> None:
    code, output = kshot_train(folder, pair)
    assert code == 2
    assert said in output


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path | None, bool]]:
    """With which ledger, and whether on the test sets, a model was measured, instead of an hour of measuring."""
    asked: list[tuple[Path | None, bool]] = []

    def measure(folder: Path, data: Path, ledger: Path | None, *, test: bool) -> dict[str, list[Figure]]:
        asked.append((ledger, test))
        return {"fp32": [Figure("accuracy", 60.0, 1.0)]}

    monkeypatch.setattr("models.training.evaluate.evaluate", measure)
    return asked


def test_a_ledger_is_kept_in_a_checkout_alone(
    measured: list[tuple[Path | None, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"COLUMNS": "200"})
    outside = runner.invoke(app, ["evaluate", "glyphs"])
    assert outside.exit_code == 0 and "accuracy" in outside.stdout and "no ledger docs/results.md" in outside.stderr
    missing = runner.invoke(app, ["evaluate", "glyphs", "--ledger", "nowhere/ledger.md"])
    assert missing.exit_code == 2 and "no folder for the ledger" in missing.output
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results.md").touch()
    for options in ([], ["--choosing"]):
        inside = runner.invoke(app, ["evaluate", "glyphs", *options])
        assert inside.exit_code == 0 and inside.stderr == ""
    monkeypatch.chdir(tmp_path / "docs")
    assert runner.invoke(app, ["evaluate", "glyphs"]).stderr == ""
    ledger = tmp_path / "docs/results.md"
    assert measured == [(None, True), (ledger, True), (None, False), (ledger, True)]


def test_a_missing_base_is_told_by_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("models.bases.find_spec", lambda name: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["train", "photos", "--cache", str(tmp_path), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "kshot[photos]" in "".join(result.output.split())
    assert not (tmp_path / "run").exists()
