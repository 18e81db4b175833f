"""How much is computed, counted and not timed: on no device at all, so that the largest task costs nothing to try."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.heads.head import Head
from models.types import Support

PER_NUMBER = 16  # multiplications of a product of matrices that cost as much as one number written


class Work(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Counts the numbers that operations write, and a share of what products and factors of matrices multiply."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.done = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do it, and count."""
        made = func(*args, **dict(kwargs or {}))
        name = func.overloadpacket.__name__
        written = sum(leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, Tensor))
        if name not in FREE:
            self.done += written
        if name in PRODUCTS:
            self.done += (
                PRODUCTS[name]([each.shape for each in tree_leaves(args) if isinstance(each, Tensor)]) // PER_NUMBER
            )
        return made


def steps_of(head: Head, support: Support) -> Iterator[int]:
    """The work of each step of adapting, what comes before the first in it."""

    def steps() -> Iterator[object]:
        yield from head.steps(support, head.start(support))

    return counted(steps())


def counted(steps: Iterator[object]) -> Iterator[int]:
    """The work of each step, what comes before the first in it."""
    with torch.no_grad(), Work() as work:
        before = 0
        for _ in steps:
            yield work.done - before
            before = work.done


FREE = {
    "view",
    "_unsafe_view",
    "expand",
    "unsqueeze",
    "squeeze",
    "transpose",
    "t",
    "permute",
    "slice",
    "select",
    "alias",
}
FREE |= {"unbind", "detach", "split", "split_with_sizes", "as_strided", "diagonal", "_reshape_alias", "empty", "narrow"}
PRODUCTS: dict[str, Callable[[list[torch.Size]], int]] = {
    "mm": lambda shapes: shapes[0][0] * shapes[0][1] * shapes[1][1],
    "addmm": lambda shapes: shapes[1][0] * shapes[1][1] * shapes[2][1],
    "bmm": lambda shapes: prod(shapes[0]) * shapes[1][2],
    "baddbmm": lambda shapes: prod(shapes[1]) * shapes[2][2],
    "convolution": lambda shapes: prod(shapes[0]) * prod(shapes[1]) // shapes[1][1],
    "linalg_cholesky_ex": lambda shapes: prod(shapes[0]) * shapes[0][-1] // 3,
    "_cholesky_solve_helper": lambda shapes: 2 * prod(shapes[0]) * shapes[1][-1],
    "linalg_solve_triangular": lambda shapes: prod(shapes[1]) * shapes[0][-1],
    "_linalg_eigh": lambda shapes: 9 * prod(shapes[0]) * shapes[0][-1],
    "_linalg_solve_ex": lambda shapes: prod(shapes[0]) * shapes[0][-1],
}
