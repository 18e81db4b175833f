"""Learners on disk: what is saved comes back, figures do not move the digest, damage is named."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.card import Card, DamagedCheckpoint, digest, read_card
from models.checkpoint import build, load, save
from models.inputs.vector import VectorInput
from tests.models.laws import answers
from tests.models.tasks import vector_task

CARD = Card(
    name="small",
    modality="vector",
    kinds=("classification",),
    inputs={"name": "vector", "dim": 6},
    encoder={"name": "identity"},
    head={
        "name": "gradient",
        "body": {"name": "mlp", "input_dim": 6, "widths": [8]},
        "width": 8,
        "rule": {"name": "sgd", "rate": 0.1, "learned": True, "per_leaf": True},
        "num_steps": 2,
    },
    created_at="2026-11-22T00:00:00Z",
    card={"licence": "Apache-2.0"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path, build(CARD.encoder, CARD.head), CARD)
    return tmp_path


def test_a_learner_comes_back_and_answers_alike(tmp_path: Path) -> None:
    learner = build(CARD.encoder, CARD.head)
    named = save(tmp_path, learner, CARD)
    back = load(tmp_path)
    assert (back.digest, back.card, back.inputs) == (named, CARD, VectorInput(6))
    assert back.layout == learner.head.layout
    assert not back.learner.training
    assert not any(leaf.requires_grad for leaf in back.learner.parameters())
    (ours,), (theirs,) = answers(learner, [vector_task(1)]), answers(back.learner, [vector_task(1)])
    assert torch.equal(ours, theirs)


def test_weights_kept_in_half_the_bits_are_loaded_in_single_precision(tmp_path: Path) -> None:
    learner = build(CARD.encoder, CARD.head)
    save(tmp_path, learner, CARD, torch.bfloat16)
    for name, leaf in load(tmp_path).learner.state_dict().items():
        assert torch.equal(leaf, learner.state_dict()[name].bfloat16().float())


def test_the_digest_follows_what_fixes_the_answers(folder: Path) -> None:
    before = digest(folder)
    description = folder / "model.json"
    description.write_text(replace(CARD, card={"figures": {"accuracy": 0.9}}, created_at="2027").to_json())
    assert digest(folder) == before
    description.write_text(replace(CARD, head={**CARD.head, "num_steps": 3}).to_json())
    assert digest(folder) != before
    description.write_text(CARD.to_json())
    save(folder, build(CARD.encoder, CARD.head), CARD)
    assert digest(folder) != before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"name": 1}',
        json.dumps({**json.loads(CARD.to_json()), "surprise": 1}),
        json.dumps({**json.loads(CARD.to_json()), "kinds": []}),
        json.dumps({**json.loads(CARD.to_json()), "head": "ridge"}),
        json.dumps({**json.loads(CARD.to_json()), "head": {"name": "os.system"}}),
        json.dumps({**json.loads(CARD.to_json()), "inputs": {"name": "vector"}}),
        json.dumps({**json.loads(CARD.to_json()), "head": {"name": "ridge"}}),
        json.dumps({**json.loads(CARD.to_json()), "head": {**CARD.head, "rule": "sgd"}}),
    ],
)
def test_a_damaged_description_is_named(folder: Path, content: str) -> None:
    (folder / "model.json").write_text(content)
    with pytest.raises(DamagedCheckpoint, match=str(folder)):
        load(folder)


def test_damaged_weights_are_named(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(DamagedCheckpoint, match="weights"):
        load(folder)
    weights.unlink()
    with pytest.raises(DamagedCheckpoint, match="weights"):
        digest(folder)


def test_a_card_is_read_without_torch(folder: Path) -> None:
    code = "import sys; from pathlib import Path; from models.card import digest, read_card; import models.inputs\n"
    code += f"read_card(Path({str(folder)!r})); digest(Path({str(folder)!r})); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_card(folder) == CARD
