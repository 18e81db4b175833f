"""A module that runs with leaves of others in the place of its own, which are there for all to see while it runs."""

import threading
from weakref import WeakKeyDictionary

from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call

from models.types import TaskParams

_LOCKS: WeakKeyDictionary[nn.Module, threading.Lock] = WeakKeyDictionary()


def with_leaves(body: nn.Module, leaves: TaskParams, rows: Shaped[Tensor, "B *F"]) -> Float[Tensor, "B D"]:
    """What `body` with these leaves makes of the rows; of several threads one at a time, as they share the module."""
    with _lock(body):
        features: Tensor = functional_call(body, leaves, (rows,), tie_weights=False)  # none shares a leaf
    return features


def own_leaves(body: nn.Module) -> TaskParams:
    """Those of `body` itself, whatever leaves another thread runs it with."""
    with _lock(body):
        return dict(body.named_parameters())


def _lock(body: nn.Module) -> threading.Lock:
    return _LOCKS.setdefault(body, threading.Lock())
