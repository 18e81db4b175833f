"""Regressions that the appraisal of a model of both kinds is fitted to: drawn from columns of tables."""

from pathlib import Path

import torch

from models.appraisal import Appraisal
from models.card import read_card
from models.checkpoint import APPRAISAL, appraisal_file, load, write_appraisal
from models.training.appraisals.numbers import Tables, Told
from models.training.appraise import ZOO
from models.types import Values

NUM_ROWS = 40


def tables() -> Tables:
    rows = torch.arange(NUM_ROWS * 2.0).view(NUM_ROWS, 2)
    return Tables([Told(name, rows + place, rows[:, :1] + place) for place, name in enumerate("abb")], max_shots=30)


def test_examples_and_queries_are_of_one_column_and_apart() -> None:
    sizes = set()
    for number in range(40):
        asked = tables()(number)
        assert asked.group == "ab"[number % 2] and isinstance(asked.support.target, Values)
        taught, truth = asked.support.target.values[0, :, 0], torch.as_tensor(asked.truth)[:, 0]
        shift = taught - asked.support.rows.values[0, :, 0]
        assert torch.equal(shift, torch.zeros_like(shift))
        assert not set(taught.tolist()) & set(truth.tolist()) and len(truth) == NUM_ROWS - len(taught)
        sizes.add(len(taught))
    assert min(sizes) == 3 and 15 < max(sizes) <= NUM_ROWS // 2


def test_a_number_draws_the_same_task_and_both_columns_of_a_table_come() -> None:
    assert torch.equal(torch.as_tensor(tables()(3).truth), torch.as_tensor(tables()(3).truth))
    assert {float(torch.as_tensor(tables()(number).truth)[0, 0]) % 2 for number in range(1, 21, 2)} == {0.0, 1.0}


def test_each_kind_has_its_file(tmp_path: Path) -> None:
    for file in ("model.json", "weights.safetensors"):
        (tmp_path / file).write_bytes((ZOO / "universal" / file).read_bytes())
    for kind in ("classification", "regression"):
        write_appraisal(tmp_path, Appraisal(kind), {"data": "none"})
    found, card = load(tmp_path).appraisals, read_card(tmp_path)
    assert {kind: each.is_regression for kind, each in found.items()} == {"classification": False, "regression": True}
    assert appraisal_file(tmp_path, card, "classification").name == APPRAISAL
    assert appraisal_file(tmp_path, card, "regression").name == "appraisal-regression.safetensors"
