"""Tasks a second of meta-training, kshot against learn2learn and a plain loop, on the same episodes in one run.

`KSHOT_LEARN2LEARN=folder python -m benchmarks.meta_training`, where the folder is the source of learn2learn 0.2.0
(`pip download --no-deps --no-binary :all: learn2learn==0.2.0`, unpacked; its compiled part is not needed).
"""

import os
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
import typer

from benchmarks.floor import bare_rate, operations
from benchmarks.page import command, put, table
from benchmarks.rivals import Episodes, Step, kshot, learn2learn, plain
from models.data.episodes import generator
from models.training.evaluate import hardware
from models.training.train import keep_memory

METHODS = ("prototypical", "ridge", "anil", "maml")
WAYS, SHOTS, ASKED, SIDE = 5, 1, 5, 28
HEAD = ("5-way 1-shot", "kshot", "learn2learn", "x learn2learn", "plain loop", "x plain loop", "floor", "of the floor")

TYPES = {
    "float32": "float32 in all three",
    "bfloat16": "in all three the encoder under autocast to bfloat16 and the head in float32",
}
Type = Annotated[Literal["float32", "bfloat16"], typer.Option(help="Of the encoder.")]
Results = Annotated[Path, typer.Option(help="The page of the table.")]


def main(
    rounds: int = 7,
    num_tasks: int = 32,
    channels: int = 64,
    dtype: Type = "float32",
    results: Results = Path("docs/results.md"),
) -> None:
    """Time every method in turns (A B A B) and write the table."""
    keep_memory()  # as the trainer does; the rivals have it as well
    torch.set_num_threads(os.cpu_count() or 1)  # the loops use every core inside an operation, kshot a lane a core
    episodes = drawn(num_tasks)
    methods = [each for each in METHODS if each != "maml" or dtype == "float32"]  # it has no encoder to be in another
    rows = [row(method, episodes, rounds, channels, getattr(torch, dtype)) for method in methods]
    caption = (
        f"`{command('meta_training')}`, {hardware()}. Tasks a second: the median"
        f" of {rounds} rounds in turns; ratios: median (least - most) over the rounds. One step: {num_tasks} tasks,"
        f" {WAYS * ASKED} queries each, Conv-4-{channels}, {TYPES[dtype]}, inner steps 5; gradients filled, no"
        " optimiser. The rivals' network is made of PyTorch's own modules."
    )
    text = f"{caption}\n\n{table(HEAD, rows)}"
    put(results, "meta-training" if dtype == "float32" else f"meta-training-{dtype}", text)
    print(text)


def drawn(num_tasks: int) -> Episodes:
    """Noise in the shape of drawings: what is in them does not change the time."""
    size = (num_tasks, WAYS, SHOTS + ASKED, SIDE, SIDE)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, 0))
    return Episodes(images[:, :, :SHOTS], images[:, :, SHOTS:])


def row(method: str, episodes: Episodes, rounds: int, channels: int, dtype: torch.dtype) -> list[str]:
    """One method: each rival beside kshot, and how far kshot is from the floor."""
    ours = kshot(method, episodes, channels, dtype=dtype)
    num_tasks, rates, cells = len(episodes.support), [], []
    for rival in (learn2learn(method, episodes, channels, dtype), plain(method, episodes, channels, dtype)):
        if rival is None:
            cells += ["-", "-"]
            continue
        seconds = in_turns([ours, rival], rounds)
        rates.append(num_tasks / seconds[0])
        ratios = seconds[1] / seconds[0]
        rate = np.median(num_tasks / seconds[1])
        cells += [f"{rate:.0f}", f"{np.median(ratios):.2f} ({ratios.min():.2f} - {ratios.max():.2f})"]
    floor = num_tasks * bare_rate(method == "maml", channels, dtype=dtype) / operations(method, episodes, channels)
    rate = float(np.median(np.concatenate(rates)))
    return [method, f"{rate:.0f}", *cells, f"{floor:.0f}", f"{100 * rate / floor:.0f} %"]


def in_turns(steps: list[Step], rounds: int) -> npt.NDArray[np.float64]:
    """Seconds of each step [steps, rounds], one after another in every round; a first round is not counted."""
    seconds = np.zeros((len(steps), rounds + 1))
    for turn in range(rounds + 1):
        for number, step in enumerate(steps):
            began = time.perf_counter()
            step()
            seconds[number, turn] = time.perf_counter() - began
    return seconds[:, 1:]


if __name__ == "__main__":
    typer.run(main)
