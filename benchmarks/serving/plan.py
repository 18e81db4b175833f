"""Which cells there are: not every combination but lines through one centre, 32 clients and 1,024 tasks alike."""

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.serving.cells import Arm, Cell

MODELS: Final = ("vectors", "glyphs", "glyphs-maml", "text")
RIVALS: Final = ("written", "LitServe")
FEW, MANY = 1, 1_024
NUM_TASKS = (64, 10_000)  # beside the centre
NUM_CLIENTS = (1, 8, 128)
HEAVY = "glyphs-maml"  # ten thousand of its tasks are more than the cache holds, and no rival batches whole networks


def cells(models: Sequence[str] = MODELS) -> list[Cell]:
    """Every cell; of each model what matters most comes first."""
    return [cell for model in models for cell in _of(model)]


def _of(model: str) -> Iterator[Cell]:
    rivals = RIVALS[:1] if model == HEAVY else RIVALS
    yield Cell(model, "centre", tuple(Arm(name) for name in ("kshot", *rivals, "echo")))
    yield Cell(model, "one task", (Arm("kshot"), Arm("kshot", tasks=FEW)))
    yield Cell(model, "adapt", tuple(Arm(name, "adapt") for name in ("kshot", *rivals, "echo")))
    if model in ("glyphs", "vectors"):
        yield Cell(model, "mixed", (Arm("kshot"), Arm("kshot", "mixed")))
    for clients in NUM_CLIENTS:
        yield Cell(model, f"{clients} clients", tuple(Arm(name, clients=clients) for name in ("kshot", "written")))
    sizes = NUM_TASKS[:1] if model == HEAVY else NUM_TASKS
    others = [Arm("kshot", tasks=tasks) for tasks in sizes]
    yield Cell(model, "tasks", (Arm("kshot"), *others, Arm("kshot", zipf=1.0)))


def multiplexed(models: Sequence[str] = MODELS) -> list[Cell]:
    """Beside Ray Serve, whose many processes are started for these alone."""
    arms = Arm("kshot"), Arm("Ray Serve")
    return [Cell(model, "multiplexed", arms) for model in models if model in ("vectors", "glyphs")]
