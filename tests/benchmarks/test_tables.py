import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.tables.__main__ import METHODS, measured, ours, ranks, shown
from benchmarks.tables.rivals import RIVALS, answered, designed
from benchmarks.tables.sets import read
from models.card import Card
from models.checkpoint import build, load, save
from models.inputs.table import TableInput

IDENTITY, HEAD = {"name": "identity"}, {"name": "in_context", "hidden": 8}


def written(folder: Path) -> Path:
    """A set of 40 rows in two classes: a number that tells them, and words with holes."""
    (folder / "tabular_cls").mkdir()
    draws, classes = np.random.default_rng(0), np.arange(40) % 2
    words = np.where(draws.random(40) < 0.2, np.nan, classes)
    np.savez(
        folder / "tabular_cls" / "easy.npz",
        X=np.stack([classes + 0.1 * draws.normal(size=40), words], 1).astype(np.float32),
        y=classes.astype(np.int16),
        feature_names=np.array(["length", "colour"]),
        feature_types=np.array(["num", "cat"]),
        categories=np.array(json.dumps({"colour": ["red", "blue"]})),
    )
    return folder


def test_a_set_is_read_as_it_would_be_sent(tmp_path: Path) -> None:
    found = read(written(tmp_path), "easy")
    assert {row[1] for row in found.rows} == {"red", "blue", None}
    [task] = found.tasks(5, num_draws=1)
    assert task.support.shape == (10, 64, 3) and len(task.truth) == 30
    assert list(found.tasks(19, num_draws=1)) == []  # would leave one row of a class


def test_every_method_tells_easy_classes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    card = Card("tables", "table", ("classification",), {"name": "table"}, IDENTITY, HEAD, "2026-01-01T00:00:00Z")
    save(tmp_path / "model", build(IDENTITY, HEAD), card)
    checkpoint = load(tmp_path / "model")
    scores = measured(checkpoint, written(tmp_path), "easy", 5, num_draws=1)
    assert scores.keys() == {*METHODS} and min(scores.values()) > 80
    assert "| mean |" in shown({"easy": scores}, 5)
    [task] = read(tmp_path, "easy").tasks(5, 1)
    assert ours(checkpoint, task).shape == task.truth.shape


def test_the_usual_preparation() -> None:
    rows = np.stack([TableInput()(row) for row in ([1.0, "a"], [3.0, "b"], [None, None])])
    support, query = designed(rows, np.stack([TableInput()([2.0, "c"])]))
    assert support.tolist() == [[-1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]
    assert query.tolist() == [[0, 0, 0, 0, 0]]
    classes = np.array([0, 1, 0])
    assert all(answered(rival, support, classes, support).shape == (3,) for rival in RIVALS)


def test_equals_share_a_rank() -> None:
    assert ranks([90.0, 80.0, 90.0, 70.0]) == [1.5, 3.0, 1.5, 4.0]
