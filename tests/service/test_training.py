"""The command `kshot train`: where its work goes, and what it says of wrong arguments."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.card import read_card
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


@pytest.mark.parametrize(("pair", "said"), [("method=mamal", "there are protonet"), ("ways=5", "ways")])
def test_wrong_arguments_are_named(folder: Path, pair: str, said: str) -> None:
    code, output = kshot_train(folder, pair)
    assert code == 2
    assert said in output


def test_a_missing_base_is_told_by_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("models.bases.find_spec", lambda name: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["train", "photos", "--cache", str(tmp_path), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "kshot[photos]" in "".join(result.output.split())
    assert not (tmp_path / "run").exists()
