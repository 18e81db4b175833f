"""Episodes of tasks as users have them: any ways and shots, names of labels, queries of no label, several labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64, Shaped
from torch import Generator, Tensor

from models.data.episodes import Batch, generator
from models.types import Classes, MultiHot, Support, full_rows

NO_SHOTS = 0.25  # rounded to none: one task in seven
STRANGERS = 0.3  # of the queries of no label: those from any data set, not only the task's own


@dataclass(frozen=True)
class Label:
    """The rows that carry a label, and the row that is its name."""

    positions: Int64[Tensor, "M"]
    name: int  # none where labels have no names


@dataclass(frozen=True)
class LabelSet:
    """One data set: `labels` exclude each other; any number of `tags` may be on a row."""

    labels: Sequence[Label]
    tags: Sequence[Label] = ()


@dataclass(frozen=True)
class LabelEpisodes:
    """The tasks of a step have the same ways and shots, which vary from step to step, small ones being frequent.

    Names come with every second task, and alone where there are no shots. A third of the queries are of none of the
    labels. Every so many steps the task is one of tags. Sets are drawn alike, and as one pool as often as any of them.
    """

    rows: Shaped[Tensor, "B *X"]  # names are among them
    sets: Sequence[LabelSet]
    max_rows: int = 1500  # of one task's support; a step has a fifth of that, or one task
    max_ways: int = 150
    max_shots: int = 30
    queries: int = 2  # of each label
    tags_every: int = 6
    named: bool = True  # whether labels have names
    seed: int = 0

    def __call__(self, step: int) -> Batch:
        """The tasks of one step."""
        draws = generator(self.seed, step)
        tagged = [each.tags for each in self.sets if len(each.tags) > 2]
        if tagged and step % self.tags_every == self.tags_every - 1:
            return self._of_tags(tagged[_integer(draws, 0, len(tagged) - 1)], draws)
        everything = [label for each in self.sets for label in each.labels]
        pools = [*(each.labels for each in self.sets), everything]
        ways = _power(draws, 2.0, min(self.max_ways, len(everything) // 2))
        shots = min(_power(draws, NO_SHOTS if self.named else 1.0, self.max_shots), self.max_rows // ways)
        usable = [pool for pool in (self._with(pool, shots) for pool in pools) if len(pool) > ways]
        if not usable:  # few labels have so many rows
            shots, usable = 1, [self._with(everything, 1)]
        named = self.named and (shots == 0 or _integer(draws, 0, 1) == 1)
        num_tasks = max(1, self.max_rows // 5 // (ways * max(1, shots)))
        drawn = [usable[_integer(draws, 0, len(usable) - 1)] for _ in range(num_tasks)]
        return self._batch([self._task(pool, everything, ways, shots, draws) for pool in drawn], ways, shots, named)

    def _with(self, pool: Sequence[Label], shots: int) -> list[Label]:
        return [label for label in pool if len(label.positions) >= shots + self.queries]

    def _task(
        self, pool: Sequence[Label], everything: Sequence[Label], ways: int, shots: int, draws: Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Positions of the support, of the labels' names, and of the queries: those of the labels, then the others."""
        order = torch.randperm(len(pool), generator=draws).tolist()
        chosen, near = [pool[place] for place in order[:ways]], [pool[place] for place in order[ways:]]
        far = [label for label in everything if not any(label is own for own in chosen)]
        rows = torch.stack([_some(label.positions, shots + self.queries, draws) for label in chosen])
        others = [
            _any(far if torch.rand((), generator=draws) < STRANGERS else near, draws)
            for _ in range(max(2, ways * self.queries // 2))
        ]
        queries = torch.cat([rows[:, shots:].flatten(), torch.stack(others)])
        return rows[:, :shots].flatten(), torch.tensor([label.name for label in chosen]), queries

    def _batch(self, tasks: Sequence[tuple[Tensor, Tensor, Tensor]], ways: int, shots: int, named: bool) -> Batch:
        """Tasks of equal ways and shots, with their names or without."""
        T, (support, names, queries) = len(tasks), (torch.stack(part) for part in zip(*tasks, strict=True))
        labels, real = torch.arange(ways), torch.ones(T, ways, dtype=torch.bool)
        index, known = labels.repeat_interleave(shots), labels.repeat_interleave(self.queries)
        if named:
            support, index = torch.cat([support, names], 1), torch.cat([index, labels])
        are_names = (torch.arange(len(index)) >= ways * shots).expand(T, -1) if named else None
        truth = torch.full(queries.shape, -1)
        truth[:, : len(known)] = known
        target = Classes(index.expand(T, -1), real)
        return Batch(
            Support(full_rows(self.rows[support]), target, are_names),
            full_rows(self.rows[queries]),
            Classes(truth, real),
        )

    def _of_tags(self, tags: Sequence[Label], draws: Generator) -> Batch:
        """One task of tags: rows that carry each of them, and half as many of any."""
        ways = _power(draws, 2.0, min(self.max_ways, len(tags) - 1))
        shots, all_rows = _power(draws, 1.0, self.max_shots), _distinct([tag.positions for tag in tags])
        chosen = [tags[place] for place in torch.randperm(len(tags), generator=draws)[:ways].tolist()]
        rows = torch.cat([_some(tag.positions, shots + self.queries, draws) for tag in chosen])
        rows = _distinct([rows, _some(all_rows, len(rows) // 2, draws)])
        rows = rows[torch.randperm(len(rows), generator=draws)]
        hot = torch.stack([torch.isin(rows, tag.positions) for tag in chosen], 1)
        num_queries, real = len(rows) // 3, torch.ones(1, ways, dtype=torch.bool)
        query, support, named = rows[:num_queries], rows[num_queries:], self.named and _integer(draws, 0, 1) == 1
        taught, are_names = hot[num_queries:], torch.zeros(1, len(support) + ways * named, dtype=torch.bool)
        if named:
            support = torch.cat([support, torch.tensor([tag.name for tag in chosen])])
            taught, are_names[:, -ways:] = torch.cat([taught, torch.eye(ways, dtype=torch.bool)]), True
        return Batch(
            Support(full_rows(self.rows[support][None]), MultiHot(taught[None], real), are_names if named else None),
            full_rows(self.rows[query][None]),
            MultiHot(hot[None, :num_queries], real),
        )


def _distinct(parts: Sequence[Int64[Tensor, "_"]]) -> Int64[Tensor, "M"]:
    found: Tensor = torch.unique(torch.cat(list(parts)))
    return found


def _some(members: Int64[Tensor, "M"], num: int, draws: Generator) -> Int64[Tensor, "R"]:
    """So many of them, or all."""
    return members[torch.randperm(len(members), generator=draws)[:num]]


def _any(labels: Sequence[Label], draws: Generator) -> Int64[Tensor, ""]:
    """One row of one of the labels."""
    positions = labels[_integer(draws, 0, len(labels) - 1)].positions
    return positions[_integer(draws, 0, len(positions) - 1)]


def _power(draws: Generator, low: float, high: int) -> int:
    """From low to high, each doubling as likely as another."""
    exponent = torch.rand((), generator=draws).item()
    return round(low * ((high + 0.4) / low) ** exponent)


def _integer(draws: Generator, low: int, high: int) -> int:
    """From low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=draws))
