"""A head that also adapts the encoder's last layers: changes of low rank, by gradient descent, a few steps far.

Behind a frozen stem they are small enough for a few examples to say where to, and go only as far as examples that were
held out say that it helps. Not at all is among the choices: then the answer is the inner head's.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TypeAlias, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn

from models.heads.head import Head
from models.heads.held_out import (
    best_of,
    folds_of,
    is_right,
    log_losses,
    members_of,
    order_key,
    places_of,
    without,
)
from models.heads.leave_one_out import Centroids, Turn, Turns
from models.heads.low_rank import make_adaptable, through
from models.inner import Rule, Shapes, gradients_of
from models.types import Logits, Rows, Support, TaskParams

Result = TypeVar("Result")
Pausing: TypeAlias = Generator[None, None, Result]  # work that may be paused at every yield

Places: TypeAlias = tuple[Int64[Tensor, "T S"], Int64[Tensor, "T S"]]  # of each row, in its label and among all

NUM_BLANKS, MAX_INNER = 509, 256
LAYERS = "layers"  # the leaf of a task's own layers, one after another


@dataclass(frozen=True)
class Stop:
    """The layers somewhere on the way down, and what they make of the support."""

    leaves: TaskParams
    features: Rows


class Tail(Head):
    """The encoder's last layers, `body`, then a `head` on its `width` features, which starts anew wherever they go.

    A step pulls each row towards the mean of its label's other rows and away from those of other labels: leave-one-out
    nearest centroids, at cosines times `scale`, of at most `max_rows` rows, which take turns. After every `every` steps
    the means are made anew, and the head is tried on rows that were held out, `num_folds` times. As many steps as
    served those best are then taken with all rows: none, unless more are better by `margin` standard errors.
    While it steps, a share `blank` of a row's tokens or places is not seen, others at every step: what is learned must
    not hang on a few of them.
    """

    blanks: Tensor | None

    def __init__(
        self,
        body: nn.Module,
        head: Head,
        width: int,
        rule: Callable[[Shapes], Rule],
        rank: int = 4,
        num_steps: int = 12,
        every: int = 4,
        num_folds: int = 3,
        scale: float = 12.0,
        margin: float = 1.0,
        max_rows: int = 256,
        piece_rows: int = 32,
        blank: float = 0.0,
    ) -> None:
        super().__init__()
        self.shapes = make_adaptable(body, rank)
        self.sizes = [prod(shape) for shape in self.shapes.values()]
        self.body = body
        self.head = head
        self.balance = head.balance
        self.width = width
        self.rule = rule(self.shapes)
        self.num_steps = num_steps
        self.every = every
        self.num_folds = num_folds
        self.scale = scale
        self.margin = margin
        self.max_rows = max_rows
        self.piece_rows = piece_rows
        self.register_buffer("blanks", _blanks(blank) if blank else None, persistent=False)
        self.takes_names = head.takes_names
        self.layout = {**head.layout, LAYERS: str(sum(self.sizes))}

    def start(self, support: Support) -> TaskParams:
        """Layers as they are, and a head that has seen no feature yet."""
        mask = support.rows.mask
        blank = torch.zeros(*mask.shape, self.width, device=mask.device)
        head = self.head.start(replace(support, rows=replace(support.rows, values=blank)))
        return {**head, LAYERS: blank.new_zeros(len(mask), sum(self.sizes))}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """First the head's answer on the layers as they are, again and again; at last that on the layers chosen.

        Of `start` only the layers are taken up: a head that was fitted to other features is of no use.
        """
        kept = start
        for found in self._search(support, self._split(start[LAYERS])):
            kept = found or kept
            yield kept

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scores of each query row by its own task's layers and head."""
        values, task = query.flat()
        features = query.with_values(self._through(self._split(params[LAYERS]), values, task))
        return self._scores({name: leaf for name, leaf in params.items() if name != LAYERS}, features)

    def _search(self, support: Support, begin: TaskParams) -> Iterator[TaskParams | None]:
        """What is found, as it is found; nothing where there is only a chance to pause."""
        plain = yield from self._features(begin, support.rows)
        yield {**(yield from self._fitted(support, plain)), LAYERS: self._joined(begin)}
        places = _places(plain, support)
        best = yield from self._chosen(support, begin, plain, places)
        stops = yield from self._descend(support, begin, plain, places)
        layers = _picked([self._joined(stop.leaves) for stop in stops], best)
        features = replace(plain, values=_picked([stop.features.values for stop in stops], best))
        yield {**(yield from self._fitted(support, features)), LAYERS: layers}

    def _chosen(self, support: Support, begin: TaskParams, plain: Rows, places: Places) -> Pausing[Int64[Tensor, "T"]]:
        """Which stop on the way down serves each task's held-out rows best."""
        members, losses, right = members_of(support), [], []
        folds = folds_of(places[0], members, support.names, self.num_folds)
        for fold in range(self.num_folds):
            part = without(support, folds == fold)
            for stop in (yield from self._descend(part, begin, plain, places)):
                params = yield from self._fitted(part, stop.features)
                scores, is_held = self._scores(params, stop.features), folds == fold
                losses.append(log_losses(scores, members).where(is_held, 0))
                right.append(is_right(scores, members) & is_held)
        loss, hits = (torch.stack(each).view(self.num_folds, -1, *each[0].shape).sum(0) for each in (losses, right))
        return best_of(loss, hits > 0, folds >= 0, self.margin)

    def _descend(self, support: Support, begin: TaskParams, plain: Rows, places: Places) -> Pausing[list[Stop]]:
        """The layers before the first step, after every `every` steps and after the last."""
        stops, leaves, state = [Stop(begin, plain)], begin, self.rule.begin(begin)
        members = members_of(support)
        turns = Turns(support.rows, members, places, self.max_rows)
        for k in range(self.num_steps):
            centroids = Centroids.of(stops[-1].features.values, members)
            gradients = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
            for turn in turns.pieces(k, centroids, self.piece_rows, self.blanks):
                each = gradients_of(partial(self._loss, turn=turn, centroids=centroids), leaves)
                gradients = {name: gradient + each[name] for name, gradient in gradients.items()}
                yield
            leaves, state = self.rule.step(k, gradients, state, leaves)
            if (k + 1) % self.every == 0 or k + 1 == self.num_steps:
                stops.append(Stop(leaves, (yield from self._features(leaves, support.rows))))
        return stops

    def _loss(self, leaves: TaskParams, *, turn: Turn, centroids: Centroids) -> Float[Tensor, ""]:
        return centroids.loss(self._through(leaves, turn.values, turn.task), turn, self.scale)

    def _features(self, leaves: TaskParams, rows: Rows) -> Pausing[Rows]:
        """What the layers make of the rows."""
        parts = []
        for values, task in zip(*(torch.split(flat, self.piece_rows) for flat in rows.flat()), strict=True):
            parts.append(self._through(leaves, values, task))
            yield
        return rows.with_values(torch.cat(parts))

    def _fitted(self, support: Support, features: Rows) -> Pausing[TaskParams]:
        """The head, adapted to these features of the support."""
        featured = replace(support, rows=replace(features, mask=support.rows.mask))
        params = begin = self.head.start(featured)
        for params in self.head.steps(featured, begin):  # noqa: B007 - the last is the answer
            yield
        return params

    def _scores(self, params: TaskParams, features: Rows) -> Logits:
        scores = self.head.predict(params, features)
        assert isinstance(scores, Logits)
        return scores

    def _through(
        self, leaves: TaskParams, values: Shaped[Tensor, "B *F"], task: Int64[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        return through(self.body, {name: leaf[task] for name, leaf in leaves.items()}, values)

    def _split(self, layers: Float[Tensor, "T P"]) -> TaskParams:
        parts = zip(self.shapes.items(), torch.split(layers, self.sizes, -1), strict=True)
        return {name: part.reshape(-1, *shape) for (name, shape), part in parts}

    def _joined(self, leaves: TaskParams) -> Float[Tensor, "T P"]:
        return torch.cat([leaves[name].flatten(1) for name in self.shapes], -1)


def _blanks(share: float) -> Bool[Tensor, "H L"]:
    """Which inner positions are blank, in many ways; the first, which is a text's opening, never."""
    blanks = torch.from_numpy(np.random.RandomState(1).random_sample((NUM_BLANKS, MAX_INNER)) < share)
    blanks[:, 0] = False
    return blanks


def _places(plain: Rows, support: Support) -> Places:
    """Each row's place in its label and among all; by what it holds, not by where it came."""
    members = members_of(support)
    key = order_key(F.normalize(plain.values, dim=-1))
    return places_of(key, members), places_of(key, support.rows.mask.unsqueeze(-1).float())


def _picked(stops: Sequence[Float[Tensor, "T *X"]], best: Int64[Tensor, "T"]) -> Float[Tensor, "T *X"]:
    """Each task's own stop."""
    return torch.stack(list(stops))[best, torch.arange(len(best), device=best.device)]
