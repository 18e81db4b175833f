"""The recipe `own`: meta-training on a user's own classes, from a model that ships or from scratch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import zoo
from models.card import Card, Part, digest, read_card
from models.checkpoint import build, load
from models.data.episodes import Batch
from models.data.own import decoded, read_own
from models.data.pools import PoolEpisodes, split
from models.data.schema import DataSet, UnusableData
from models.inputs import INPUTS
from models.learner import Learner
from models.training.figures import Figure, percent
from models.training.objectives.episodic import Metrics, episodic
from models.training.train import Run
from models.training.vectors import judged

SCRATCH = "scratch"
STARTS = {"image": "glyphs", "vector": "vectors"}
RATES = {("image", True): 1e-4, ("image", False): 1e-3, ("vector", True): 0.03, ("vector", False): 3e-3}
HELD_OUT_SEED, HELD_OUT_STEPS = 1, 10
HELD_OUT = "held_out_accuracy"
NUM_NAMED = 50  # labels held out that the card lists by name


@dataclass(frozen=True)
class Start:
    """Where training starts: the parts of a learner, and the learner."""

    inputs: Part
    encoder: Part
    head: Part
    learner: Learner
    told: str  # for the card


def own(
    data: Path,
    source: Path,
    name: str = "own",
    start: str = "",
    num_steps: int = 300,
    ways: int = 10,
    shots: int = 5,
    num_tasks: int = 8,
    held_out: float = 0.2,
    rate: float = 0.0,
) -> Run:
    """Episodes of the labels in `source`, some of them held out to validate by; `start` is a model or "scratch"."""
    torch.manual_seed(0)
    owned = read_own(source)
    if owned.modality not in STARTS:
        raise UnusableData(
            f"{source} holds texts, which need no training: adapt to them: `kshot adapt {source} --model text`"
        )
    if owned.kind != "classification":
        raise UnusableData(f"{source} holds numbers to predict; this recipe learns to tell labels apart")
    trained, held = split(owned.classes("train", "val"), held_out)
    begin = _start(owned, start or STARTS[owned.modality])
    rows = _rows(owned, begin.inputs)
    warm = begin.told != SCRATCH
    judged_by = PoolEpisodes(rows, held, 4, ways, shots, seed=HELD_OUT_SEED)
    names = ", ".join("/".join(filter(None, key)) for key in list(held)[:NUM_NAMED])
    told: dict[str, Any] = {
        "recipe": f"kshot train own ({num_steps} steps, {__name__})",
        "start": begin.told,
        "split": f"{len(trained)} labels trained on; {len(held)} held out for validation: {names}",
        "data": {source.name: owned.digest},
        "licence": "its weights are as free as the data they were trained on",
    }
    if warm:
        told |= _of_start(_held_out(begin.learner.eval(), judged_by))
    return Run(
        card=Card(name, owned.modality, ("classification",), begin.inputs, begin.encoder, begin.head, "", told),
        learner=begin.learner,
        objective=_as_served if warm else episodic,
        batches=PoolEpisodes(rows, trained, num_tasks, ways, shots),
        num_steps=num_steps,
        optimiser="adamw",
        rate=rate or RATES[owned.modality, warm],
        warmup_steps=num_steps // 20,
        weight_decay=1e-4,
        validate=lambda learner: {HELD_OUT: _held_out(learner, judged_by).value / 100},
        validate_steps=max(1, num_steps // 5),
    )


def _start(owned: DataSet, start: str) -> Start:
    """The learner to start from, fitted to the width of the data."""
    if start == SCRATCH:
        return _scratch(owned)
    folder = Path(start) if Path(start).is_dir() else Path(next(iter(zoo.__path__))) / start
    if not folder.is_dir():
        raise UnusableData(f"there is no model {start!r} to start from: neither one that ships nor a folder")
    card, shipped = read_card(folder), load(folder)
    if card.modality != owned.modality or "classification" not in card.kinds:
        raise UnusableData(
            f"{card.name} takes {card.modality} for {', '.join(card.kinds)}, not labelled {owned.modality}s"
        )
    inputs = dict(card.inputs)
    if owned.modality == "vector":
        inputs["dim"] = _width(owned)
        if card.inputs != inputs and card.encoder["name"] != "identity":
            raise UnusableData(f"{card.name} takes vectors of {card.inputs['dim']} numbers, not of {inputs['dim']}")
    learner = build(card.encoder, card.head)  # afresh: what was loaded is frozen
    learner.load_state_dict(shipped.learner.state_dict())
    return Start(inputs, card.encoder, card.head, learner, f"{card.name}@{digest(folder)[:12]}")


def _scratch(owned: DataSet) -> Start:
    """The network of `glyphs` for images; two layers and ridge regression for vectors."""
    if owned.modality == "image":
        card = read_card(Path(next(iter(zoo.__path__))) / STARTS["image"])
        return Start(card.inputs, card.encoder, card.head, build(card.encoder, card.head), SCRATCH)
    spread = float(np.std([example.input for example in owned.examples])) or 1.0  # type: ignore[arg-type]  # numbers
    encoder = {"name": "mlp", "input_dim": _width(owned), "widths": [128, 128], "activation": "relu", "scale": spread}
    head = {"name": "ridge", "normalise": "unit"}
    return Start({"name": "vector", "dim": _width(owned)}, encoder, head, build(encoder, head), SCRATCH)


def _width(owned: DataSet) -> int:
    first = owned.examples[0].input
    assert isinstance(first, list)
    return len(first)


def _rows(owned: DataSet, inputs: Part) -> Tensor:
    """Every example as it would be served."""
    prepare = INPUTS[inputs["name"]](**{key: option for key, option in inputs.items() if key != "name"})
    given = (decoded(each.input) if isinstance(each.input, Path | bytes) else each.input for each in owned.examples)
    return torch.from_numpy(np.stack([prepare(each) for each in given]))  # type: ignore[arg-type]  # of its own kind


def _as_served(learner: Learner, batch: Batch) -> Metrics:
    """Episodic training of a finished model: its running statistics stay as they are served."""
    learner.eval()
    return episodic(learner, batch)


def _of_start(before: Figure) -> dict[str, dict[str, float]]:
    """What the card tells of the model that training went on from, and how exactly."""
    value, half = (round(each / 100, 4) for each in (before.value, before.half))
    return {"validation of the start": {before.name: value}, "95% of it within": {before.name: half}}


def _held_out(learner: Learner, tasks: PoolEpisodes) -> Figure:
    """The share of right answers in tasks of labels that are not trained on, always the same tasks."""
    right = [judged(learner, tasks(step)).right.mean(1) for step in range(HELD_OUT_STEPS)]
    return percent(HELD_OUT, np.concatenate(right))
