"""The aims, each with how it is read off the cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.serving.cells import Arm, Figures, Kept, ratios


@dataclass(frozen=True)
class Aim:
    """A figure, what it should be, and what it is, if it was measured."""

    figure: str
    aim: str
    reached: Callable[[Kept], str | None]


def shown(low: float, middle: float, high: float) -> str:
    """A ratio and its spread."""
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def between(kept: Kept, model: str, cell: str, one: Arm, other: Arm) -> str | None:
    """The throughput of one arm over that of another."""
    found: dict[str, list[Figures]] | None = kept.get(f"{model}-{cell}")
    if found is None or not {one.name, other.name} <= found.keys():
        return None
    middle, low, high = ratios(found[one.name], found[other.name])
    return shown(low, middle, high)


def _over(figure: str, aim: str, model: str, cell: str, one: Arm, other: Arm) -> Aim:
    return Aim(f"{figure}, `{model}`", aim, partial(between, model=model, cell=cell, one=one, other=other))


def _tasks() -> Sequence[Aim]:
    told = "predict, 32 clients: throughput at 1,024 tasks / at 1"
    aims = {"vectors": ">= .9", "glyphs": ">= .9", "text": ">= .9", "glyphs-maml": ">= .6"}
    return [_over(told, aim, model, "one-task", Arm("kshot"), Arm("kshot", tasks=1)) for model, aim in aims.items()]


def _written() -> Sequence[Aim]:
    predict = {"vectors": ">= 8", "glyphs": ">= 3", "text": "", "glyphs-maml": ""}
    adapt = {"vectors": ">= 8", "glyphs": ">= 1.3", "text": "", "glyphs-maml": ">= 1.3"}
    told = "throughput, 32 clients / user-written, same dtype"
    return [
        *(_over(f"predict {told}", aim, m, "centre", Arm("kshot"), Arm("written")) for m, aim in predict.items()),
        *(
            _over(f"adapt {told}", a, m, "adapt", Arm("kshot", "adapt"), Arm("written", "adapt"))
            for m, a in adapt.items()
        ),
    ]


def _others() -> Sequence[Aim]:
    lit = {"glyphs": ">= 1.5", "vectors": ">= 1.5", "text": ""}
    ray = {"glyphs": ">= 5", "vectors": ">= 5"}
    return [
        *(
            _over("predict throughput / LitServe", aim, m, "centre", Arm("kshot"), Arm("LitServe"))
            for m, aim in lit.items()
        ),
        *(
            _over(
                "predict throughput / Ray Serve multiplexed, 1,024 tasks",
                aim,
                m,
                "multiplexed",
                Arm("kshot"),
                Arm("Ray Serve"),
            )
            for m, aim in ray.items()
        ),
    ]


AIMS: Final[Sequence[Aim]] = [*_tasks(), *_written(), *_others()]
