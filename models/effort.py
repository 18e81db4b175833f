"""More effort: a companion of a model, made as it is loaded, which adapts the last layers of the encoder too.

It shares the model's stem and head and has nothing of its own on disk but the options on the model's card, so that it
goes with every digest of it and can neither be forgotten nor grow stale.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from torch import nn

from models.card import DamagedCheckpoint
from models.checkpoint import Checkpoint, build_rule
from models.heads.tail import Tail
from models.learner import Learner

EFFORT, HIGH, OF = "effort", "high", "companion_of"  # keys of cards


@runtime_checkable
class Divisible(Protocol):
    """An encoder of two parts: what `tail(stem(inputs))` answers is what the encoder does."""

    @property
    def num_features(self) -> int:
        """That it makes of an input."""

    def split(self) -> tuple[nn.Module, nn.Module]:
        """The stem, which shares the encoder's weights, and the tail."""


def with_companions(checkpoints: Iterator[Checkpoint]) -> Iterator[Checkpoint]:
    """Each model, and after it its companion if it has one."""
    for base in checkpoints:
        yield base
        options = base.card.card.get(EFFORT, {}).get(HIGH)
        if options is not None:
            yield companion(base, options)


def companion(base: Checkpoint, options: Mapping[str, Any]) -> Checkpoint:
    """The model whose head is a `Tail` with these options. Raises DamagedCheckpoint."""
    encoder = base.learner.encoder
    if not isinstance(encoder, Divisible):
        raise DamagedCheckpoint(f"The encoder of {base.card.name} cannot be divided for more effort.")
    stem, tail = encoder.split()
    try:
        settled = {name: option for name, option in options.items() if name != "rule"}
        head = Tail(
            deepcopy(tail).float(), base.learner.head, encoder.num_features, build_rule(options["rule"]), **settled
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedCheckpoint(f"The card of {base.card.name} asks for no effort that can be made: {error}") from None
    told = {name: entry for name, entry in base.card.card.items() if name != EFFORT}
    card = replace(
        base.card,
        name=f"{base.card.name}-{HIGH}",
        head={"name": "tail", **options, "head": dict(base.card.head)},
        card={**told, OF: base.digest},
        tasks={},
    )
    canonical = json.dumps(options, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(f"{base.digest}\0{canonical}".encode()).hexdigest()
    return Checkpoint(digest, card, base.inputs, Learner(stem, head).eval().requires_grad_(False))
