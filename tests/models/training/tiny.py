"""A training run small enough for a test: made-up characters, a two-block encoder. As a program it dies midway."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from models.card import Card
from models.checkpoint import build
from models.data.drawing import Style
from models.data.glyphs import GlyphBatch, GlyphEpisodes
from models.data.omniglot import DRAWERS, SIDE, Omniglot
from models.inputs.image import GlyphInput
from models.training.objectives.turns import Turns
from models.training.ranks import joined
from models.training.train import Run, train

DIES_AT_BATCH = 7


def omniglot(num_characters: int = 12, seed: int = 0) -> Omniglot:
    """Characters of three strokes, in two alphabets; drawers differ by a shift."""
    rng = np.random.default_rng(seed)
    images = np.zeros((num_characters, DRAWERS, SIDE, SIDE), np.uint8)
    for character in images:
        for _ in range(3):
            x, y, width, height = rng.integers(10, 60, 4)
            for drawer, image in enumerate(character):
                image[y + drawer % 3 : y + height // 3, x : x + width // 3 + drawer % 2] = 1
    return Omniglot(images, np.arange(num_characters) % 2, ("first", "second"))


def write_omniglot(data: Path) -> None:
    """Made-up characters in place of Omniglot's, in the layout of a folder of data sets."""
    folder = data / "omniglot"
    folder.mkdir()
    for split, seed in (("background", 0), ("evaluation", 1)):
        made = omniglot(seed=seed)
        alphabet = made.alphabet + (25 if split == "background" else 30)
        bits = np.packbits(made.images.reshape(-1, *made.images.shape[2:]), axis=2)
        for part, half in enumerate(np.array_split(np.arange(len(bits)), 2), start=1):
            path = folder / f"omniglot_{split}_105_1bit_part{part}.npz"
            np.savez(path, bits=bits[half], alphabet=alphabet.repeat(20)[half])
        np.savez(folder / f"omniglot_{split}_28_g4.npz", alphabets=np.array([f"alphabet_{n}" for n in range(50)]))


def write_vinyals(data: Path) -> None:
    """Lists of classes of those made-up characters, as of Vinyals' split: two alphabets, one, both, and the last."""
    folder = data / "omniglot" / "vinyals"
    folder.mkdir()
    parts = {"train": (25, 26), "val": (30,), "trainval": (25, 26, 30), "test": (31,)}
    for part, alphabets in parts.items():
        characters = [f"alphabet_{alphabet}/character{number:02}" for alphabet in alphabets for number in range(1, 7)]
        lines = [f"{character}/rot{turn:03}\n" for character in characters for turn in (0, 90, 180, 270)]
        (folder / f"{part}.txt").write_text("".join(lines))


def tiny_run() -> Run:
    torch.manual_seed(0)
    batches = GlyphEpisodes(omniglot(), GlyphInput(28), Style(), num_tasks=1, ways=4, drawers=3)
    card = Card(
        name="tiny",
        modality="image",
        kinds=("classification",),
        inputs={"name": "glyph", "size": 28},
        encoder={"name": "resnet", "widths": [4, 8]},
        head={"name": "prototypical"},
        created_at="",
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=Turns(batches.num_identities, 8),
        batches=batches,
        num_steps=6,
        num_lanes=2,
        rate=0.1,
        save_steps=2,
    )


def dying_run(moment: str) -> Run:
    """Dies while a batch is made, or while the state is saved for the second time."""
    run = tiny_run()
    make, flush, saves = run.batches, os.fsync, iter((False, True))

    def batches(step: int) -> GlyphBatch:
        if moment == "batch" and step == DIES_AT_BATCH:
            os.kill(os.getpid(), signal.SIGKILL)
        batch: GlyphBatch = make(step)
        return batch

    def fsync(file: Any) -> None:
        if moment == "save" and next(saves):
            os.kill(os.getpid(), signal.SIGKILL)
        flush(file)

    os.fsync = fsync  # type: ignore[assignment]  # its parameter has another name
    return replace(run, batches=batches)


def rank_run(folder: Path) -> None:
    """One of several processes that torchrun would start: two lanes in all, and the weights as each has them."""
    with joined() as ranks:
        run = replace(tiny_run(), num_lanes=1)
        train(run, folder / "run", ranks=ranks)
        weights = {name: leaf.contiguous() for name, leaf in run.learner.state_dict().items()}
        save_file(weights, folder / f"{ranks.rank}.safetensors")


if __name__ == "__main__":
    if sys.argv[1] == "rank":
        rank_run(Path(sys.argv[2]))
    else:
        train(dying_run(sys.argv[1]), Path(sys.argv[2]))
