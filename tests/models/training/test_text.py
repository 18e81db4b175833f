"""The recipe of `text`: sentences of an intent come together, a set is left out, another base of the family serves."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from models.bases import find
from models.checkpoint import load
from models.encoders.minilm import MiniLM, random_weights
from models.heads.prior_logistic import PriorLogistic
from models.inputs.text import TextInput
from models.training.objectives.gathering import IntentEpisodes, encoded
from models.training.objectives.states import States
from models.training.publish import publish
from models.training.text import text
from models.training.train import train
from tests.models.data.test_intents import written


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return written(tmp_path / "data", num_texts=9)


@pytest.fixture
def own_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small base of the family in a folder of the operator's."""
    torch.manual_seed(0)
    folder = tmp_path / "bases/small"
    folder.mkdir(parents=True)
    save_file(dict(random_weights([30522, 24, 48], 64, 4)), folder / "model.safetensors")
    (folder / "tokenizer.json").write_bytes(find("minilm", "tokenizer.json").read_bytes())
    config = {"model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 4}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("KSHOT_BASES", str(tmp_path / "bases"))
    return "small"


def test_training_moves_the_upper_layers_alone_and_what_is_published_is_small(
    data: Path, own_base: str, tmp_path: Path
) -> None:
    small: dict[str, Any] = {"rank": 2, "num_steps": 12, "head_steps": 2, "precision": "float32", "share": 1.0}
    run = text(data, encoder=own_base, left_out="hwu64", **small)
    assert set(run.card.card["data"]) == {"clinc150", "sgd"}
    before = {name: leaf.clone() for name, leaf in run.learner.encoder.state_dict().items()}
    assert {name.split(".")[1] for name in before} == {"1", "2", "3"}
    first = run.objective(run.learner, run.batches(0))["loss"]
    assert train(run, tmp_path / "run")
    assert run.objective(run.learner, run.batches(0))["loss"] < first
    assert all(not torch.equal(leaf, before[name]) for name, leaf in run.learner.encoder.state_dict().items())
    head, begin = run.learner.head, PriorLogistic()
    assert isinstance(head, PriorLogistic)
    assert torch.equal(head.knobs[0, :2], begin.knobs[0, :2]) and head.log_name == begin.log_name  # these are held
    assert not torch.equal(head.knobs[0, 2], begin.knobs[0, 2])
    publish(run, tmp_path / "model")
    assert (tmp_path / "model/weights.safetensors").stat().st_size < 100_000
    checkpoint = load(tmp_path / "model")
    assert checkpoint.card.encoder["sha256"] == run.card.encoder["sha256"]
    rows = run.objective.states.rows[:5]  # type: ignore[attr-defined]
    served = encoded(checkpoint.learner.encoder, TextInput(), rows, False)
    trained = encoded(run.learner.encoder, TextInput(), rows, False)
    torch.testing.assert_close(served, trained.detach(), atol=1e-2, rtol=0)  # it is kept in half the bits


def test_only_a_share_of_the_delta_is_kept() -> None:
    encoder = MiniLM(None, sizes=(50, 8, 16), heads=2, last=1, rank=2)
    for leaf in encoder.parameters():
        torch.nn.init.normal_(leaf)
    half, begin = copy.deepcopy(encoder), copy.deepcopy(encoder)
    half.scale(0.5)
    begin.scale(0.0)
    weights = []
    for each in (encoder, half, begin):
        each.fuse()
        weights.append(each.get_buffer("layers.0.query.weight"))
    torch.testing.assert_close(weights[1], (weights[0] + weights[2]) / 2)
    assert not torch.equal(weights[0], weights[2])


def test_an_unknown_set_or_base_is_refused(data: Path, own_base: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no set 'banking' to leave out"):
        text(data, left_out="banking")
    (tmp_path / "bases/small/config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(ValueError, match="is no BERT"):
        text(data, encoder=own_base)


def test_what_is_kept_of_the_lower_layers_changes_nothing() -> None:
    encoder = MiniLM(None, sizes=(50, 8, 16), heads=2, last=3, also=[0, 2])
    rows = torch.randint(1, 50, (40, 64), dtype=torch.int32)
    rows[torch.arange(64) >= torch.randint(2, 64, (40, 1))] = 0
    states = States(TextInput(), rows, below=1, in_bfloat16=False)
    some = torch.tensor([7, 3, 21, 3])
    torch.testing.assert_close(states.through(encoder, some, 0, blank=0.0), encoder(rows[some]), atol=1e-5, rtol=0)
    blank = states.through(encoder, some, 0, blank=0.5)
    assert not torch.allclose(blank, encoder(rows[some]), atol=1e-3)
    assert torch.equal(blank, states.through(encoder, some, 0, blank=0.5))


def test_every_set_has_its_intents_in_every_episode() -> None:
    sets = [[(100 + label, torch.arange(10 * label, 10 * label + size)) for label in range(12)] for size in (9, 4, 3)]
    episode = IntentEpisodes(sets, max_ways=20)(0)
    assert [texts.shape for texts, _ in episode.sets] == [(10, 4), (10, 4)]  # the last has too few texts
    texts, names = episode.sets[0]
    assert (texts // 10 == names[:, None] - 100).all()


def test_pieces_by_length_change_nothing() -> None:
    encoder = MiniLM(None, sizes=(50, 8, 16), heads=2, last=1)
    rows = torch.randint(1, 50, (40, 64), dtype=torch.int32)
    rows[torch.arange(64) >= torch.randint(2, 64, (40, 1))] = 0
    torch.testing.assert_close(encoded(encoder, TextInput(), rows, False), encoder(rows), atol=1e-5, rtol=0)
