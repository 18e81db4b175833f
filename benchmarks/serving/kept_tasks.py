"""Tasks of rivals whose processes share none: heads as files, the last used of them in memory."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmarks.serving.modules import Own, OwnHead

MAX_KEPT = 16_384  # more than are ever asked for


class KeptTasks:
    """A folder of heads."""

    def __init__(self, own: Own, folder: Path) -> None:
        self._own, self._folder = own, folder
        self.head = lru_cache(MAX_KEPT)(self.load)

    def adapt(self, inputs: Sequence[Any], labels: Sequence[str]) -> str:
        """A new task."""
        made = self._own.adapt(inputs, labels)
        assert isinstance(made, OwnHead)
        return self._save(made)

    def copies(self, num_copies: int) -> list[str]:
        """So many more tasks."""
        there = [file.stem for file in self._folder.glob("*.safetensors")]
        return [self._save(self.head(each)) for each in islice(cycle(there), num_copies)]

    def load(self, name: str) -> OwnHead:
        """A task as it was saved."""
        with safe_open(self._folder / f"{name}.safetensors", "pt") as file:
            told = file.metadata()
            leaves = {leaf: file.get_tensor(leaf) for leaf in ("weight", "bias")}
        return OwnHead(**leaves, labels=told["labels"].split("\n"), is_unit=told["is_unit"] == "True")

    def _save(self, head: OwnHead) -> str:
        name, told = uuid4().hex, {"labels": "\n".join(head.labels), "is_unit": str(head.is_unit)}
        leaves = {"weight": head.weight.clone(), "bias": head.bias.clone()}
        save_file(leaves, self._folder / f"{name}.safetensors", told)
        return name


@torch.inference_mode()
def logits_of(heads: Sequence[OwnHead], features: torch.Tensor) -> torch.Tensor:
    """Of each head's row, all heads in one product; tasks here have equally many labels."""
    rows = torch.nn.functional.normalize(features, dim=-1) if heads[0].is_unit else features
    weight, bias = torch.stack([each.weight for each in heads]), torch.stack([each.bias for each in heads])
    return torch.baddbmm(bias.unsqueeze(-1), weight, rows.unsqueeze(-1)).squeeze(-1)
