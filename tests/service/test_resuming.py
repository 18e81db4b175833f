"""The command `kshot train`: where it works, when it refuses, how it goes on."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.card import read_card
from service.cli import app


def kshot_train(folder: Path, *options: str) -> Result:
    command = ["train", "vectors", "--set", "num_steps=2", "--out", str(folder), *options]
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, command)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    done = kshot_train(folder)
    assert done.exit_code == 0, done.output
    return folder


def test_a_run_ends_in_a_model_a_log_and_curves(finished: Path) -> None:
    card = read_card(finished / "models/vectors")
    assert set(card.card["validation"]) >= {"5-way 1-shot"}
    (row,) = csv.DictReader((finished / "log.csv").read_text().splitlines())
    assert row["step"] == "2" and float(row["loss"]) > 0 and 0 <= float(row["accuracy"]) <= 1
    assert not (finished / "models/vectors/.partial").exists()


@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_a_finished_run_is_not_gone_on_with(finished: Path, options: tuple[str, ...]) -> None:
    again = kshot_train(finished, *options)
    assert again.exit_code == 2
    assert "holds a finished run" in again.output


def test_a_cut_run_is_gone_on_with_when_asked(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "resume.safetensors").write_bytes((finished / "resume.safetensors").read_bytes())
    refused = kshot_train(tmp_path)
    assert refused.exit_code == 2 and "--resume" in refused.output
    other = kshot_train(tmp_path, "--resume", "--set", "num_steps=3")
    assert other.exit_code == 2 and "num_steps is 2 there, 3 here" in other.output
    assert kshot_train(tmp_path, "--resume").exit_code == 0
    assert (tmp_path / "models/vectors/model.json").is_file()


def test_an_argument_that_a_recipe_does_not_have_is_named(tmp_path: Path) -> None:
    wrong = kshot_train(tmp_path, "--set", "steps=3")
    assert wrong.exit_code == 2 and "steps" in wrong.output


def test_own_data_and_a_recipe_are_asked_for() -> None:
    for command in (["train"], ["train", "own"], ["train", "vectors", "--data", "x.csv"]):
        done = CliRunner(env={"COLUMNS": "300"}).invoke(app, command)
        assert done.exit_code == 2, done.output
