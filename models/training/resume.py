"""Where a run stands, in one file: weights, the optimiser's state, the step, and what kind of run it is."""

import json
import os
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

NAME = "resume.safetensors"


class NotResumable(ValueError):
    """This folder holds no run that can be gone on with; the message is a sentence for its owner."""


@dataclass(frozen=True)
class Standing:
    """The state of a run after so many steps."""

    step: int
    config: Mapping[str, Any] | None  # None in files of before it was kept
    tensors: Mapping[str, Tensor]


def pack(step: int, config: Mapping[str, Any], trained: nn.Module, optimiser: torch.optim.Optimizer) -> bytes:
    """Everything that the next step depends on."""
    tensors = {f"trained.{name}": leaf for name, leaf in trained.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": leaf for name, leaf in state.items()}
    notes = {"step": str(step), "config": json.dumps(config)}
    return save({name: leaf.contiguous() for name, leaf in tensors.items()}, notes)


def unpack(content: bytes) -> Standing:
    """The state in these bytes. Raises NotResumable."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        notes = json.loads(content[8 : 8 + length])["__metadata__"]
        config = json.loads(notes["config"]) if "config" in notes else None
        return Standing(int(notes["step"]), config, load(content))
    except Exception as error:  # the library raises its own types on damaged bytes
        raise NotResumable(f"its {NAME} is damaged: {error}") from None


def restore(standing: Standing, trained: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put the state back."""
    weights: dict[str, Tensor] = {}
    state: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, leaf in standing.tensors.items():
        kind, rest = name.split(".", 1)
        if kind == "trained":
            weights[rest] = leaf
        else:
            number, key = rest.split(".", 1)
            state[int(number)][key] = leaf
    trained.load_state_dict(weights)
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def check(standing: Standing, config: Mapping[str, Any]) -> None:
    """Raises NotResumable where this is the state of another run, naming what differs."""
    if standing.config is None:
        return
    ours = json.loads(json.dumps(config))
    names = [name for name in ours if standing.config.get(name) != ours[name]]
    if names:
        shown = "; ".join(f"{name} is {standing.config.get(name)!r} there, {ours[name]!r} here" for name in names)
        raise NotResumable(f"it holds another run: {shown}")


def write(path: Path, content: bytes) -> None:
    """Whole or not at all: written beside, flushed, then renamed."""
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
