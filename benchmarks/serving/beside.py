"""What predictions notice of adaptations beside them: open loops of one rate, so that no stall hides what it delays."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import uvloop

from benchmarks.asked import NUM_WAYS, adaptation
from benchmarks.load import NUM_OPEN, Run
from benchmarks.seen import OK, Integers, Seen
from benchmarks.serving.cells import NUM_BODIES, WARM_S, Arm, median, requests
from benchmarks.serving.servers import Running, running
from benchmarks.serving.special import Found, Place

SHARE = 0.6  # of what is answered of both at full load
NUM_TEXTS, NUM_LONG = 750, 4
PREDICTIONS_PER_S = 20.0  # beside long adaptations
LEAST_S, LEAST_LONG_S = 10.0, 60.0  # for a p99 that is not the slowest, at hundreds a second and at 20
P99 = 0.99


def mixed(place: Place, model: str) -> Found | None:
    """Predictions alone, and at the same rate with a tenth of adaptations among what is sent."""
    at_full = place.kept.get(model, "mixed")
    if at_full is None:
        return None
    rate = SHARE * median(at_full[Arm("kshot", "mixed").name], "per_s")
    alone, beside = [], []
    with TemporaryDirectory() as folder, running("kshot", model, Path(folder), place.cores) as server:
        server.fill(Arm("kshot").tasks)
        for _ in range(place.num_pieces):
            alone.append(_open(server, Arm("kshot"), rate, place.seconds))
            beside.append(_open(server, Arm("kshot", "mixed"), rate, place.seconds))
    return {"rate_per_s": rate, "alone_p99_ms": float(np.median(alone)), "p99_ms": float(np.median(beside))}


def _open(server: Running, arm: Arm, rate: float, seconds: float) -> float:
    sent, order = requests(arm, server)
    run = Run(server.served.url, sent, order, NUM_OPEN)
    seen = uvloop.run(run.open_loop(rate, WARM_S, max(seconds, LEAST_S) if seconds > 1 else seconds))
    return p99_of(seen, order, len(sent) - (NUM_BODIES if arm.kind == "mixed" else 0))


def p99_of(seen: Seen, order: Integers, num_predictions: int) -> float:
    """Of the predictions alone, which come first among what is sent."""
    numbers = order[np.arange(len(seen.due_s)) % len(order)]
    is_one = (numbers < num_predictions) & np.isin(seen.status, OK) & (seen.due_s >= 0) & (seen.due_s < seen.seconds)
    return float(np.quantile(1000 * (seen.ended_s - seen.due_s)[is_one], P99)) if is_one.any() else float("nan")


def long(place: Place, model: str) -> Found:
    """Predictions alone, and beside adaptations to 750 texts one after another."""
    with TemporaryDirectory() as folder, running("kshot", model, Path(folder), place.cores) as server:
        server.fill(1)
        sent, order = requests(Arm("kshot", tasks=1), server)
        bodies = [server.adaptation(adaptation(model, seed, NUM_TEXTS // NUM_WAYS)) for seed in range(NUM_LONG)]
        return uvloop.run(_long(server, sent, order, bodies, max(place.seconds, LEAST_LONG_S)))


async def _long(server: Running, sent: list[bytes], order: Integers, bodies: list[bytes], seconds: float) -> Found:
    def predicting() -> Run:
        return Run(server.served.url, sent, order, NUM_OPEN)

    alone = await predicting().open_loop(PREDICTIONS_PER_S, WARM_S, seconds)
    adapting = Run(server.served.url, bodies, np.arange(len(bodies)), 1).closed_loop(WARM_S, seconds)
    beside, adapted = await asyncio.gather(predicting().open_loop(PREDICTIONS_PER_S, WARM_S, seconds), adapting)
    figures = {
        f"{name}_{told}_ms": float(np.quantile(seen.ms(), level))
        for name, seen in (("alone", alone), ("beside", beside))
        for told, level in (("p50", 0.5), ("p99", P99))
    }
    return figures | {"adaptations_per_s": adapted.per_s()}
