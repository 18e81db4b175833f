"""The public data sets by name, read into the one schema of data; a folder of tables is a set a table."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from models.data.intents import digest as digest_of_texts
from models.data.intents import load_intents
from models.data.omniglot import load_omniglot
from models.data.photos import load_photos
from models.data.schema import DataSet, Example, Split, digest_of
from models.data.small_tables import SmallTable, names_of, read_table
from models.data.sources import SOURCES

Reader = Callable[[Path, str], list[DataSet]]
OF_SPLIT: Mapping[str, Split] = {"train": "train", "val": "val", "dev": "val", "test": "test"}


def read_named(data: Path, name: str) -> list[DataSet]:
    """Every set of this name. Raises KeyError for a name that has no reader, and AbsentDataSet."""
    return READERS[name](data, name)


def intents(data: Path, name: str) -> list[DataSet]:
    """Texts with the intent as label and the domain as family; what is out of scope is of no task."""
    rows = [each for each in load_intents(data, name) if each.split in OF_SPLIT and each.domain is not None]
    examples = [Example(each.text, each.intent, each.domain or "", (), OF_SPLIT[each.split]) for each in rows]
    return [DataSet(name, "text", examples, digest_of_texts(rows), SOURCES[name].licence)]


def omniglot(data: Path, name: str) -> list[DataSet]:
    """Drawings with the character as label and the alphabet as family; the evaluation alphabets are for tests."""
    examples = []
    parts: tuple[tuple[Split, Literal["background", "evaluation"]], ...] = (
        ("train", "background"),
        ("test", "evaluation"),
    )
    for split, part in parts:
        read = load_omniglot(data, part)
        for alphabet, characters in read.characters_by_alphabet().items():
            for number, character in enumerate(characters.tolist(), start=1):
                examples += [Example(each, f"{number:02}", alphabet, (), split) for each in read.images[character]]
    return [DataSet(name, "image", examples, "", SOURCES[name].licence)]


def photos(data: Path, name: str) -> list[DataSet]:
    """Photographs by what they show."""
    read = load_photos(data, name)
    pairs = zip(read.jpegs, read.label.tolist(), strict=True)
    examples = [Example(jpeg, read.classes[label]) for jpeg, label in pairs]
    return [DataSet(name, "image", examples, read.digest(), SOURCES[name].licence)]


def tables(data: Path, name: str, kind: str) -> list[DataSet]:
    """A set a table; what is missing in a row is no number."""
    made = []
    for each in names_of(name):
        examples = _rows(read_table(data, name, each), kind)
        made.append(DataSet(f"{name}/{each}", "vector", examples, digest_of(examples), SOURCES[name].licence))
    return made


def _rows(table: SmallTable, kind: str) -> list[Example]:
    """Rows of a table; of many small regressions, each with its family."""
    inputs, targets = table.values.tolist(), table.targets.tolist()
    if kind == "regression":
        families = table.families or [""] * len(inputs)
        triples = zip(inputs, families, targets, strict=True)
        return [Example(row, "", family, (target,)) for row, family, target in triples]
    return [Example(row, table.classes[target]) for row, target in zip(inputs, targets, strict=True)]


READERS: Mapping[str, Reader] = {
    "omniglot": omniglot,
    **dict.fromkeys(("clinc150", "hwu64", "snips", "sgd", "sentiments"), intents),
    **dict.fromkeys(("caltech101_a", "grocery"), photos),
    "tabular_cls": partial(tables, kind="classification"),
    **dict.fromkeys(("tabular_reg", "curves", "mtl_exam", "mtl_radon"), partial(tables, kind="regression")),
}
