"""The recipe of `text`: the upper layers of a sentence encoder learn, over many sets of intents, what an intent is."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from models.bases import BASES, find, sha256_of
from models.card import Card, Part
from models.checkpoint import build
from models.data.intents import FILES, Utterance, by_label, digest, named, trainable
from models.data.labels import Label, LabelSet
from models.encoders.minilm import MiniLM
from models.heads.prior_logistic import PriorLogistic
from models.inputs.text import TextInput
from models.learner import Learner
from models.training.effort import EFFORT
from models.training.labels import fit_head
from models.training.objectives.gathering import Gathering, IntentEpisodes
from models.training.objectives.states import States
from models.training.train import Run

TRAINED_LAYERS = 3  # the upper ones
LICENCES = {"clinc150": "CC BY 3.0", "hwu64": "CC BY 4.0", "sgd": "CC BY-SA 4.0"}
MIN_TEXTS = 8  # of a tag


@dataclass(frozen=True)
class Texts:
    """Every text and name that is trained on, as token rows, and which rows carry which label, by set."""

    rows: Int[Tensor, "B L"]
    sets: Sequence[LabelSet]


def text(
    data: Path,
    encoder: str = "minilm",
    left_out: str = "",
    rank: int = 64,
    num_steps: int = 60,
    rate: float = 1e-3,
    share: float = 0.6,
    max_texts: int = 60,
    head_steps: int = 150,
    precision: str = "bfloat16",
) -> Run:
    """Gather each intent's sentences round their centroid, then fit the head's constants.

    Sets of intents are few, and more steps than these only learn them by heart. Features are of several depths: what
    was trained to gather intents has forgotten some of the words. Both were looked at on texts of CLINC150 and HWU64
    of no test split, each left out of training: beside the last states, those of the words and of two layers gave
    about half a point at five and ten shots; whitened in directions learned from other sets, no more.

    Only a `share` of the delta is kept: between the base and what was trained lies what does best on intents that were
    not trained on (Wortsman et al. 2022). It was chosen on CLINC150's training split, left out, as was what the head is
    fitted on: features of the base. Gathered intents lie closer together than a user's will, and it would trust them
    too much. Nor does the base tell how far to trust examples against their centroids and names: `_held`. What the head
    says of the unknown alone is fitted on features as they are served.

    `left_out` is a set that plays no part, so that it can be reported on; of "sgd" the services that figures are given
    for. `encoder` is another base of the family, in a folder of KSHOT_BASES.
    """
    torch.manual_seed(0)
    inputs, parts = _parts(encoder, rank)
    sets = _sets(data, left_out)
    read = TextInput(**{key: option for key, option in inputs.items() if key != "name"})
    texts = _tokens(sets, read, max_texts)
    head = {"name": "prior_logistic"}
    objective = Gathering(read, texts.rows, parts["trained"], in_bfloat16=precision == "bfloat16")
    told = _told(_kept(sets, max_texts), left_out)
    card = Card("text", "text", ("classification", "multilabel"), inputs, parts, head, "", told)
    return Run(
        card=card,
        learner=build(parts, head),
        objective=objective,
        batches=IntentEpisodes([[(label.name, label.positions) for label in each.labels] for each in texts.sets]),
        num_steps=num_steps,
        optimiser="adamw",
        rate=rate,
        warmup_steps=num_steps // 12,
        max_norm=1.0,
        save_steps=10,
        finish=_finishing(texts, objective.states, share, head_steps),
    )


def _sets(data: Path, left_out: str) -> dict[str, list[Utterance]]:
    """What is trained on, by set."""
    if left_out not in ("", *FILES):
        raise ValueError(f"there is no set {left_out!r} to leave out; there are {', '.join(FILES)}")
    held_out = left_out == "sgd"
    sets = {name: trainable(data, name, held_out and name == left_out) for name in FILES}
    return {name: rows for name, rows in sets.items() if name != left_out or held_out}


def _parts(base: str, rank: int) -> tuple[Part, Part]:
    """Inputs and encoder over a base of the table, or over one of one's own, which says what it is in config.json."""
    heads, layers, own = 12, 6, {}
    if base not in BASES:
        config = json.loads(find(base, "config.json").read_text("utf-8"))
        if config.get("model_type") != "bert":
            raise ValueError(f"the base {base!r} is no BERT: {config.get('model_type')!r}")
        heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
        own = {"sha256": sha256_of(find(base, "tokenizer.json"))}
    weights = sha256_of(find(base, "model.safetensors"))
    upper = {"last": layers, "trained": layers - TRAINED_LAYERS, "also": [0, layers - 2, layers - 1]}
    return {"name": "text", "base": base, **own}, {
        "name": "minilm",
        "base": base,
        "sha256": weights,
        **upper,
        "rank": rank,
        "heads": heads,
    }


def _tokens(sets: Mapping[str, Sequence[Utterance]], read: TextInput, max_texts: int) -> Texts:
    """Texts by intent; and by slot where the utterances have slots, as labels that do not exclude each other."""
    rows: dict[str, int] = {}

    def place(sentence: str) -> int:
        return rows.setdefault(sentence, len(rows))

    def label(name: str, sentences: Sequence[str]) -> Label:
        return Label(torch.tensor([place(each) for each in sentences]), place(named(name)))

    made = []
    for utterances in sets.values():
        intents = by_label(utterances, max_texts)
        kept = {sentence for sentences in intents.values() for sentence in sentences}
        slots: dict[str, dict[str, None]] = {}
        for each in utterances:
            for slot in each.slots if each.text in kept else ():
                slots.setdefault(slot, {})[each.text] = None
        tags = [label(name, list(found)) for name, found in sorted(slots.items()) if len(found) >= MIN_TEXTS]
        made.append(LabelSet([label(name, sentences) for name, sentences in intents.items()], tags))
    return Texts(torch.from_numpy(np.stack([read(sentence) for sentence in rows])), made)


def _finishing(texts: Texts, states: States, share: float, head_steps: int) -> Callable[[Learner], None]:
    """The last phase: part of the delta is taken back, and the head's constants are fitted."""

    def finish(learner: Learner) -> None:
        assert isinstance(learner.encoder, MiniLM)
        learner.encoder.scale(share)
        fit_constants(learner, texts, states, head_steps)

    return finish


def fit_constants(learner: Learner, texts: Texts, states: States, head_steps: int) -> None:
    """Fit the head on features of the base; then what it knows of the unknown on those that it will be served.

    What is unknown depends on how close together intents lie, which is what the encoder has learned.
    """
    base = copy.deepcopy(learner.encoder)
    assert isinstance(base, MiniLM) and isinstance(learner.encoder, MiniLM)
    base.scale(0.0)
    with torch.no_grad():
        everything = torch.arange(len(texts.rows))
        plain, kept = (states.through(each, everything, 0, blank=0.0).cpu() for each in (base, learner.encoder))
    assert isinstance(learner.head, PriorLogistic)
    with _held(learner.head):
        fit_head(learner.head, plain, texts.sets, head_steps)
    fit_head(learner.head, kept, texts.sets, head_steps, seed=1, part=learner.head.evidence)


@contextmanager
def _held(head: PriorLogistic) -> Iterator[None]:
    """Where labels exclude each other, penalty, prior and the weight of names stay where they begin.

    Fitted on features of the base, which tell intents worse than those that are served, they count a name as two or
    three examples. With names that cost half a point at five shots on CLINC150's validation split; there, and on a
    quarter of HWU64's training split, all constants round the first do as well.
    """
    names = (head.log_name, head.fading)
    free = torch.ones_like(head.knobs)
    free[0, :2] = 0
    hook = head.knobs.register_hook(lambda gradient: gradient * free)  # type: ignore[no-untyped-call]  # torch's
    for each in names:
        each.requires_grad_(False)
    yield
    hook.remove()
    for each in names:
        each.requires_grad_(True)


def _kept(sets: Mapping[str, Sequence[Utterance]], max_texts: int) -> Mapping[str, Sequence[Utterance]]:
    """What is trained on: of each intent so many texts."""
    kept: dict[str, Sequence[Utterance]] = {}
    for name, rows in sets.items():
        texts = {(intent, text) for intent, own in by_label(rows, max_texts).items() for text in own}
        kept[name] = [
            row for row in {(row.intent, row.text): row for row in rows}.values() if (row.intent, row.text) in texts
        ]
    return kept


def _told(sets: Mapping[str, Sequence[Utterance]], left_out: str) -> dict[str, Any]:
    """For the card: what it was trained on, and what it may be used for."""
    licences = ", ".join(f"{name} ({LICENCES[name]})" for name in sets)
    return {
        "recipe": f"kshot train text{f' --set left_out={left_out}' if left_out else ''} ({__name__})",
        "inputs": "English sentences; what lies behind 64 tokens is cut, and the answer says so",
        "split": "texts of no test split: " + ", ".join(f"{name} {len(rows)}" for name, rows in sets.items()),
        "data": {name: digest(rows) for name, rows in sets.items()},
        "effort": EFFORT,
        "base": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), not contained",
        "licence": f"Apache-2.0; trained on {licences}",
    }
