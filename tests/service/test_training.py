"""The command `kshot train`: where its work goes, and what it says of wrong arguments."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.card import read_card
from models.training.evaluate import Read
from models.training.figures import Figure
from service.cli import app
from service.training import LEDGER, PACKAGE
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
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Read]:
    """What was read of a model, instead of an hour of measuring."""
    asked: list[Read] = []

    def measure(folder: Path, data: Path, read: Read) -> dict[str, list[Figure]]:
        asked.append(read)
        return {"fp32": [Figure("accuracy", 60.0, 1.0)]}

    monkeypatch.setattr("models.training.evaluate.evaluate", measure)
    return asked


def test_a_read_is_entered_in_the_checkout_wherever_it_is_asked_for(
    reads: list[Read], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, ledger = tmp_path / "checkout", tmp_path / "checkout/docs/results.md"
    (checkout / "tests").mkdir(parents=True)
    ledger.parent.mkdir()
    ledger.touch()
    monkeypatch.setattr("service.training.PACKAGE", checkout / "service")
    for folder in (checkout, checkout / "tests", tmp_path):
        monkeypatch.chdir(folder)
        for options in ([], ["--choosing"]):
            asked = CliRunner().invoke(app, ["evaluate", "glyphs", *options])
            assert asked.exit_code == 0 and asked.stderr == ""
    assert reads == [ledger, "choosing"] * 3


def test_without_a_checkout_figures_are_printed_alone(
    reads: list[Read], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.training.PACKAGE", tmp_path / "site-packages/service")
    runner = CliRunner(env={"COLUMNS": "200"})
    asked = runner.invoke(app, ["evaluate", "glyphs"])
    assert asked.exit_code == 0 and "accuracy" in asked.stdout and "no ledger docs/results.md" in asked.stderr
    missing = runner.invoke(app, ["evaluate", "glyphs", "--ledger", str(tmp_path / "nowhere/ledger.md")])
    assert missing.exit_code == 2 and "no folder for the ledger" in missing.output
    given = runner.invoke(app, ["evaluate", "glyphs", "--ledger", str(tmp_path / "mine.md")])
    assert given.exit_code == 0 and given.stderr == ""
    assert reads == ["unentered", tmp_path / "mine.md"]


def test_the_ledger_of_this_checkout_is_found() -> None:
    assert (PACKAGE.parent / LEDGER).is_file()


def test_a_missing_base_is_told_by_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("models.bases.find_spec", lambda name: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["train", "photos", "--cache", str(tmp_path), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "kshot[photos]" in "".join(result.output.split())
    assert not (tmp_path / "run").exists()
