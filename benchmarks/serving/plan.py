"""What there is to measure: not every combination but lines through one centre, 32 clients and 1,024 tasks alike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from benchmarks.serving.beside import long, mixed
from benchmarks.serving.cells import Arm, Cell
from benchmarks.serving.special import Found, Place, cached, many, ready, restarted

MODELS: Final = ("vectors", "glyphs", "glyphs-maml", "text")
BOTH: Final = ("vectors", "glyphs")
RIVALS: Final = ("written", "LitServe")
NUM_TASKS = (64, 10_000)  # beside the centre
NUM_CLIENTS = (8, 128)
WORKING_SET = 2_048  # tasks of `glyphs`: four times 4 MiB, whether a task takes 8 KiB or 9
HEAVY = "glyphs-maml"  # ten thousand of its tasks are more than the cache holds, and no rival batches whole networks

SMALL_CACHE: Final = ", 4 MiB of cache"
Special: TypeAlias = Callable[[Place, str], Found | None]

SPECIALS: Final[Mapping[tuple[str, str], Special]] = {
    ("all", "ready"): ready,
    ("glyphs", "restarted"): restarted,
    ("vectors", "restarted"): restarted,
    ("glyphs", "cached"): cached,
    ("vectors", "cached"): cached,
    ("text", "long adaptation"): long,
    ("glyphs", "beside adaptations"): mixed,
    ("vectors", "beside adaptations"): mixed,
    ("glyphs", "many"): many,
}


def first(model: str) -> Iterator[Cell]:
    """What matters most, of one model; its limits are measured with these."""
    rivals = RIVALS[:1] if model == HEAVY else RIVALS
    more = ("written, on the loop",) if model == "vectors" else ()
    yield Cell(model, "centre", tuple(Arm(name) for name in ("kshot", *rivals, *more, "echo")))
    yield Cell(model, "one task", (Arm("kshot"), Arm("kshot", tasks=1)))
    yield Cell(model, "adapt", tuple(Arm(name, "adapt") for name in ("kshot", *rivals, "echo")))
    yield Cell(model, "limits", ())
    yield Cell(model, "1 clients", (Arm("kshot", clients=1), Arm("written", clients=1)))
    if model in BOTH:
        yield Cell(model, "mixed", (Arm("kshot"), Arm("kshot", "mixed")))


def on_all_cores(model: str) -> Iterator[Cell]:
    """The same beside the generator on every core: one core is little for what has many processes."""
    yield Cell(model, "all cores", tuple(Arm(name) for name in ("kshot", *RIVALS)), has_all_cores=True)
    yield Cell(model, "multiplexed, all cores", (Arm("kshot"), Arm("Ray Serve")), has_all_cores=True)


def multiplexed(model: str) -> Iterator[Cell]:
    """Beside Ray Serve, whose many processes are started for this alone."""
    yield Cell(model, "multiplexed", (Arm("kshot"), Arm("Ray Serve")))


def working_set(model: str) -> Iterator[Cell]:
    """More tasks than are cached."""
    if model == "glyphs":
        yield Cell(model, "working set", tuple(Arm(f"kshot{told}", tasks=WORKING_SET) for told in ("", SMALL_CACHE)))


def lines(model: str) -> Iterator[Cell]:
    """Other numbers of clients and of tasks, and some tasks asked more than others."""
    for clients in NUM_CLIENTS:
        yield Cell(model, f"{clients} clients", tuple(Arm(name, clients=clients) for name in ("kshot", "written")))
    sizes = NUM_TASKS[:1] if model == HEAVY else NUM_TASKS
    yield Cell(model, "tasks", (*(Arm("kshot", tasks=tasks) for tasks in sizes), Arm("kshot", zipf=1.0)))


def groups(models: Sequence[str]) -> Iterator[list[Cell]]:
    """Cells whose servers are started once for all of them; these, then SPECIALS, make most rows of the aims."""
    yield from (list(first(model)) for model in models)


def more(models: Sequence[str]) -> Iterator[list[Cell]]:
    """What the other rows of the aims are read off."""
    both = [model for model in models if model in BOTH]
    yield from (list(part(model)) for part in (working_set, multiplexed, on_all_cores) for model in both)


def last(models: Sequence[str]) -> Iterator[list[Cell]]:
    """What is measured if there is time."""
    yield from (list(lines(model)) for model in models)


def every_cell(model: str) -> list[Cell]:
    """Of one model, in the order of its table."""
    return [cell for group in (*groups([model]), *more([model]), *last([model])) for cell in group]
