"""Vinyals' split of Omniglot (Vinyals et al. 2016): for comparison with the literature, never for a served model.

It counts each quarter turn of a character as a class, cuts through an alphabet, and trains on characters that
Omniglot keeps for evaluation.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from models.data.absent import AbsentDataSet
from models.data.omniglot import Omniglot, load_omniglot

QUARTER_TURNS = 4
Part = Literal["train", "val", "trainval", "test"]


def load_vinyals(data: Path, part: Part) -> Omniglot:
    """The characters of one part, upright; each is four classes, one a quarter turn."""
    path = data / "omniglot" / "vinyals" / f"{part}.txt"
    if not path.is_file():
        raise AbsentDataSet("omniglot-vinyals", path)
    classes = [line.split("/") for line in path.read_text("utf-8").split()]
    wanted = {(alphabet, int(character.removeprefix("character"))) for alphabet, character, _ in classes}
    if len(classes) != QUARTER_TURNS * len(wanted):
        raise ValueError(f"{path} does not name every quarter turn of each character")
    splits = [load_omniglot(data, "background"), load_omniglot(data, "evaluation")]
    chosen = [_where(split, wanted) for split in splits]
    if sum(map(len, chosen)) != len(wanted):
        raise ValueError(f"{path} names characters that Omniglot does not have")
    images = np.concatenate([split.images[rows] for split, rows in zip(splits, chosen, strict=True)])
    alphabet = np.concatenate([split.alphabet[rows] for split, rows in zip(splits, chosen, strict=True)])
    return Omniglot(images, alphabet, splits[0].alphabets)


def _where(split: Omniglot, wanted: set[tuple[str, int]]) -> list[int]:
    """The rows of the wanted characters; within an alphabet they are numbered from one, in order."""
    rows = []
    for alphabet, members in split.characters_by_alphabet().items():
        rows += [int(row) for number, row in enumerate(members, start=1) if (alphabet, number) in wanted]
    return rows
