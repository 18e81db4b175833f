"""A user's own data from the files to HTTP: `kshot train --data`, KSHOT_MODELS, a task, an answer."""

import csv
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from models.card import Card, read_card
from models.data.schema import UnusableData
from models.training import own as recipe
from service.cli import app
from service.training import _tell_gain
from tests.models.training.tiny import omniglot
from tests.service.api.serving import picture, serving

LABELS = [f"l{number}" for number in range(8)]
SMALL = ("num_steps=2", "ways=3", "shots=2", "num_tasks=2")


def train(data: Path, out: Path, *chosen: str) -> Card:
    """The card of a model trained on this data; whether it helped is told where it went on from another."""
    options = [option for each in (*SMALL, *chosen) for option in ("--set", each)]
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["train", "--data", str(data), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    assert ("after step 2, which is kept" in done.output) is ("start=scratch" not in chosen), done.output
    (folder,) = (out / "models").iterdir()
    return read_card(folder)


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """Images of eight characters in two families, four each."""
    for number, character in enumerate(omniglot(8).images):
        folder = tmp_path / "letters" / f"family{number % 2}" / f"l{number}"
        folder.mkdir(parents=True)
        for drawer in range(4):
            Image.fromarray((1 - character[drawer]) * np.uint8(255)).save(folder / f"{drawer}.png")
    return tmp_path / "letters"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Vectors of five numbers around eight centres."""
    rng = np.random.default_rng(0)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *"abcde"])
        for centre, label in zip(rng.normal(0, 3, (8, 5)), LABELS, strict=True):
            writer.writerows([[label, *(centre + rng.normal(0, 0.1, 5)).round(4)] for _ in range(5)])
    return tmp_path / "table.csv"


async def ask(client: httpx.AsyncClient, support: list[dict[str, object]], asked: list[object]) -> list[str]:
    """The labels that a task of the model `mine` gives to what is asked."""
    made = await client.post("/v1/tasks", json={"model": "mine", "support": support})
    assert made.status_code == 201, made.text
    answer = await client.post(f"/v1/tasks/{made.json()['id']}/predictions", json={"inputs": asked})
    assert answer.status_code == 200, answer.text
    return [each["label"] for each in answer.json()["predictions"]]


async def test_images_of_ones_own_become_a_model_that_serves(letters: Path, tmp_path: Path, sqlite_url: str) -> None:
    card = train(letters, tmp_path / "run", "name=mine", "start=scratch")
    assert card.card["split"].startswith("4 labels trained on; 4 held out for validation: family0/")
    assert 0 <= card.card["validation"]["held_out_accuracy"] <= 1
    shown = sorted(letters.glob("*/*/0.png"))[:3]
    support: list[dict[str, object]] = [
        {"input": picture(path.read_bytes()), "label": path.parent.name} for path in shown
    ]
    async with serving(sqlite_url, "mine", models=tmp_path / "run/models") as client:
        answers = await ask(client, support, [picture(path.read_bytes()) for path in shown])
    assert answers == [path.parent.name for path in shown]


@pytest.mark.parametrize("start", ["vectors", "scratch"])
async def test_vectors_of_ones_own_become_a_model_that_serves(
    start: str, table: Path, tmp_path: Path, sqlite_url: str
) -> None:
    card = train(table, tmp_path / "run", "name=mine", f"start={start}")
    assert card.inputs["dim"] == 5 and card.card["start"].startswith(start)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    support: list[dict[str, object]] = [
        {"input": [float(row[name]) for name in "abcde"], "label": row["label"]} for row in rows[:15:5] + rows[1:16:5]
    ]
    async with serving(sqlite_url, "mine", models=tmp_path / "run/models") as client:
        asked: list[object] = [[float(row[name]) for name in "abcde"] for row in rows[2:17:5]]
        assert await ask(client, support, asked) == ["l0", "l1", "l2"]


@pytest.mark.parametrize(("after", "is_told"), [(0.62, False), (0.58, True), (0.4, True)])
def test_a_gain_within_the_error_is_none(
    after: float, is_told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"validation of the start": 0.5, "95% of it within": 0.1, "validation": after}
    told = {name: {"held_out_accuracy": value} for name, value in figures.items()}
    card = Card(
        "mine", "vector", ("classification",), {"name": "vector"}, {"name": "identity"}, {"name": "ridge"}, "now"
    )
    (tmp_path / "model.json").write_text(replace(card, card={**told, "start": "vectors@1"}).to_json())
    _tell_gain(tmp_path, 7)
    said = capsys.readouterr().out
    assert f"held out accuracy: 50.0% ± 10.0% before (vectors@1), {after:.1%} after step 7" in said
    assert ("It is not shown to be better" in said) is is_told


def test_a_model_that_ships_is_gone_on_from(letters: Path, tmp_path: Path) -> None:
    """Built, not trained: the network is a large one."""
    run = recipe.own(tmp_path, letters, num_steps=1, ways=2, shots=1)
    assert run.card.card["start"].startswith("glyphs@")
    assert run.card.card["validation of the start"]["held_out_accuracy"] > 0.9
    assert all(leaf.requires_grad for leaf in run.learner.parameters())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("label,text\na,hello\n", "mine.csv --model text"),
        ("label,x\na,1\nb,2\n", "at least four labels"),
        ("x\n1\n", "mine.csv:2: has neither label nor target"),
    ],
)
def test_what_cannot_be_trained_on_is_a_sentence(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(content)
    command = ["train", "--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "run")]
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, command)
    assert done.exit_code == 2
    assert said in done.output


def test_an_argument_that_there_is_not_is_told_with_those_that_there_are(table: Path, tmp_path: Path) -> None:
    command = ["train", "--data", str(table), "--out", str(tmp_path / "run"), "--set", "foo=1"]
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, command)
    assert done.exit_code == 2 and "own takes no foo; --set takes name, start, num_steps" in done.output


def test_a_start_that_does_not_fit_is_refused(table: Path, tmp_path: Path) -> None:
    for start, said in (("curves", "takes vector for regression"), ("glyphs", "takes image"), ("none", "no model")):
        with pytest.raises(UnusableData, match=said):
            recipe.own(tmp_path, table, start=start)
