"""The aims, each with how it is read off what was measured."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.serving.cells import Arm, Figures, Kept, Kind, median, ratios
from service.settings import Settings

KSHOT, WRITTEN = Arm("kshot"), Arm("written")
PARTS: Final = ("echo", "decode", "learner", "database")


@dataclass(frozen=True)
class Aim:
    """A figure, what it should be, and what it is, if it was measured."""

    figure: str
    aim: str
    reached: Callable[[Kept], str | None]


def all_aims() -> Iterator[Aim]:
    """Row by row."""
    told = "predict, 32 clients: throughput at 1,024 tasks / at 1"
    wanted = {"vectors": ">= .9", "glyphs": ">= .9", "text": ">= .9", "glyphs-maml": ">= .6"}
    yield from _over(told, wanted, "one task", KSHOT, Arm("kshot", tasks=1))
    told = "CPU-ms a request / (echo + decode + learner + database)"
    models = dict.fromkeys(wanted, "<= 1.4")
    yield from _each(f"predict, 32 clients: {told}", models, partial(_cost, kind="predict"))
    models = dict.fromkeys(wanted, "<= 1.5")
    yield from _each(f"adapt 5w5s, 32 clients: {told}", models, partial(_cost, kind="adapt"))
    yield from _beside_others()
    yield from _each("idle: p50 - bare forward, ms", dict.fromkeys(wanted, "<= 2"), _idle)
    small = Arm("kshot, 4 MiB of cache", tasks=2_048)
    told = "throughput, working set 4 times the cache / all cached"
    yield from _over(told, {"glyphs": ">= .6"}, "working set", small, Arm("kshot", tasks=2_048))
    models = {"glyphs": "<= 3", "vectors": "<= 3"}
    yield from _each("first predict after restart, p50 / warm", models, _restarted)
    yield from _each("100 tasks, drawn at random of 100,000 in the database / alone: p50", {"glyphs": "<= 1.3"}, _many)
    models = {"glyphs": "<= 1.6", "vectors": "<= 1.6"}
    yield from _each("cache bytes a task / parameter bytes", models, _cached)
    models = dict.fromkeys(("glyphs", "vectors"), f"<= {3 * Settings().slice_ms:g} later")
    yield from _each("mixed, 10% adapt: predict p99, ms, beside predict-only", models, _mixed)
    yield from _each("a 750-text adapt running: another task's predict p99, ms", {"text": "<= 60"}, _long)
    yield Aim("service ready, warm files, s", "<= 3", _ready)


def _beside_others() -> Iterator[Aim]:
    told = "throughput / user-written, same dtype"
    wanted = {"glyphs": ">= 3", "vectors": ">= 8", "text": "", "glyphs-maml": ""}
    yield from _over(f"predict {told}", wanted, "centre", KSHOT, WRITTEN)
    on_loop = Arm("written, on the loop")
    yield from _over(f"predict {told}, without threads", {"vectors": ""}, "centre", KSHOT, on_loop)
    both = {"glyphs": ">= 3", "vectors": ">= 8"}
    yield from _over(f"predict {told}, all cores", both, "all cores", KSHOT, WRITTEN)
    lit, wanted = Arm("LitServe"), {"glyphs": ">= 1.5", "vectors": ">= 1.5", "text": ""}
    yield from _over("predict throughput / LitServe", wanted, "centre", KSHOT, lit)
    both = {"glyphs": ">= 1.5", "vectors": ">= 1.5"}
    yield from _over("predict throughput / LitServe, all cores", both, "all cores", KSHOT, lit)
    both = {"glyphs": ">= 5", "vectors": ">= 5"}
    ray = "predict throughput / Ray Serve multiplexed, 1,024 tasks"
    yield from _over(ray, both, "multiplexed", KSHOT, Arm("Ray Serve"))
    yield from _over(f"{ray}, all cores", both, "multiplexed, all cores", KSHOT, Arm("Ray Serve"))
    wanted = {"glyphs": ">= 1.3", "glyphs-maml": ">= 1.3", "vectors": ">= 8", "text": ""}
    yield from _over(f"adapt {told}", wanted, "adapt", Arm("kshot", "adapt"), Arm("written", "adapt"))


def _each(figure: str, aims: Mapping[str, str], read: Callable[[Kept, str], str | None]) -> Iterator[Aim]:
    for model, aim in aims.items():
        yield Aim(f"{figure}, `{model}`", aim, _of(model, read))


def _of(model: str, read: Callable[[Kept, str], str | None]) -> Callable[[Kept], str | None]:
    return lambda kept: read(kept, model)


def _over(figure: str, aims: Mapping[str, str], cell: str, one: Arm, other: Arm) -> Iterator[Aim]:
    yield from _each(figure, aims, partial(_between, cell=cell, one=one, other=other))


def _between(kept: Kept, model: str, cell: str, one: Arm, other: Arm) -> str | None:
    """The throughput of one arm over that of another."""
    found: dict[str, list[Figures]] | None = kept.get(model, cell)
    if found is None or not {one.name, other.name} <= found.keys():
        return None
    middle, low, high = ratios(found[one.name], found[other.name])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def costs(kept: Kept, model: str, kind: Kind) -> tuple[float, dict[str, float], float] | None:
    """CPU-ms of an answer, of each of its parts that must be, and of forecasts, which no rival makes."""
    cell, told = kept.get(model, "adapt" if kind == "adapt" else "centre"), kept.get(model, "limits")
    if cell is None or told is None:
        return None
    echo = median(cell[Arm("echo", kind).name], "cpu_ms")
    parts = {"echo": echo} | {name: told[f"{name}_{kind}"] for name in PARTS[1:]}
    return median(cell[Arm("kshot", kind).name], "cpu_ms"), parts, told["forecast"] if kind == "adapt" else 0.0


def _cost(kept: Kept, model: str, kind: Kind) -> str | None:
    if (found := costs(kept, model, kind)) is None:
        return None
    spent, parts, forecast = found
    must = sum(parts.values())
    shown = f"{spent / must:.2f}"
    return f"{shown}; with forecasts, which no rival makes, {spent / (must + forecast):.2f}" if forecast else shown


def _idle(kept: Kept, model: str) -> str | None:
    cell, told = kept.get(model, "1 clients"), kept.get(model, "limits")
    if cell is None or told is None:
        return None
    p50, bare = median(cell[Arm("kshot", clients=1).name], "p50_ms"), told["bare_predict"]
    return f"{p50 - bare:.2f} ({p50:.2f} - {bare:.2f})"


def _restarted(kept: Kept, model: str) -> str | None:
    return _quotient(kept.get(model, "restarted"), "first_ms", "warm_ms", "ms")


def _many(kept: Kept, model: str) -> str | None:
    found = kept.get(model, "many")
    if found is None:
        return None
    counts = " and ".join(f"{found[f'{name}_statements']:.2f}" for name in ("few", "among"))
    every = f"all 100,000 in turn {found['all_ms'] / found['few_ms']:.2f} by {found['all_statements']:.2f}"
    return f"{_quotient(found, 'among_ms', 'few_ms', 'ms')}, {counts} statements; {every}"


def _cached(kept: Kept, model: str) -> str | None:
    return _quotient(kept.get(model, "cached"), "bytes", "param_bytes", "bytes")


def _mixed(kept: Kept, model: str) -> str | None:
    if (found := kept.get(model, "beside adaptations")) is None:
        return None
    gap = found["p99_ms"] - found["alone_p99_ms"]
    return f"{gap:.1f} later ({found['p99_ms']:.1f}, alone {found['alone_p99_ms']:.1f}, at {found['rate_per_s']:.0f}/s)"


def _long(kept: Kept, model: str) -> str | None:
    if (found := kept.get(model, "long adaptation")) is None:
        return None
    return f"{found['beside_p99_ms']:.1f} (alone {found['alone_p99_ms']:.1f})"


def _ready(kept: Kept) -> str | None:
    found = kept.get("all", "ready")
    return None if found is None else f"{found['ready_s']:.2f}"


def _quotient(found: Figures | None, one: str, other: str, unit: str) -> str | None:
    if found is None:
        return None
    return f"{found[one] / found[other]:.2f} ({found[one]:.3g} / {found[other]:.3g} {unit})"
