"""One run on several processes, GPUs or machines: torchrun starts them, each takes its own batches."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Made = TypeVar("Made")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run; the first alone logs, validates and saves."""

    rank: int = 0
    size: int = 1
    local: int = 0  # among those of this machine

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this process computes: a GPU of its own if there are any."""
        return torch.device("cuda", self.local) if torch.cuda.is_available() else torch.device("cpu")

    def add(self, tensors: list[Tensor]) -> None:
        """Put the sum over all processes into each tensor, by one exchange for all of them."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def from_first(self, content: bytes) -> bytes:
        """What the first process gives, in every process."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        dist.broadcast(length, 0)
        buffer = torch.zeros(int(length) + 1, dtype=torch.uint8)  # one more: an empty tensor has no memory to send
        if self.first:
            buffer[:-1] = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8)[: len(content)]
        dist.broadcast(buffer, 0)
        return buffer[:-1].numpy().tobytes()

    def in_turn(self, make: Callable[[], Made]) -> Made:
        """What `make` makes, first in one process of each machine, which may download what the others then find."""
        if self.local:
            dist.barrier()
        made = make()
        if self.size > 1 and not self.local:
            dist.barrier()
        return made


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun started, or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"]))
    finally:
        dist.destroy_process_group()
