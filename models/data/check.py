"""Is this data fit to make tasks of? What there is, and what its owner should know, in sentences with places."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from models.data.own import decoded
from models.data.schema import SPLITS, DataSet, UnusableData, content
from models.data.small_tables import filled

MAX_NAMED = 3  # places that a sentence names
LONG_WORDS = 60  # of a text: what lies behind is cut by the models that read texts
UNEVEN = 20  # times as many rows of one label as of another
MANY_MISSING = 0.3


@dataclass(frozen=True)
class Finding:
    """What is wrong: an error keeps tasks from being made, a warning makes them or their figures worse."""

    level: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class Report:
    """What a data set is, line by line, and what was found."""

    facts: Mapping[str, str]
    findings: Sequence[Finding]

    @property
    def is_usable(self) -> bool:
        """Whether tasks can be made of it."""
        return all(finding.level != "error" for finding in self.findings)


def checked(data: DataSet) -> Report:
    """Look at every row."""
    findings = [*_licence(data), *_tasks(data), *_repeated(data), *_targets(data), *_inputs(data)]
    return Report(_facts(data), sorted(findings, key=lambda finding: finding.level))


def _facts(data: DataSet) -> dict[str, str]:
    splits, families = Counter(each.split for each in data.examples), {each.family for each in data.examples}
    facts = {
        "rows": f"{len(data.examples):,}: " + ", ".join(f"{splits[each]:,} {each}" for each in SPLITS if splits[each]),
        "modality": f"{data.modality} of {len(data.examples[0].input)} numbers"  # type: ignore[arg-type]  # a vector
        if data.modality == "vector"
        else data.modality,
        "kind": data.kind,
        "families": f"{len(families):,}" if families != {""} else "none",
    }
    if data.kind == "classification":
        sizes = sorted(len(rows) for rows in data.classes().values())
        facts["labels"] = f"{len(sizes):,} of {sizes[0]} to {sizes[-1]} rows, half of them of {_median(sizes)} or more"
    else:
        columns = np.array([each.target for each in data.examples])
        shown = (f"{low:.4g} to {high:.4g}" for low, high in zip(columns.min(0), columns.max(0), strict=True))
        facts["targets"] = "; ".join(shown)
    return facts | {"licence": data.licence or "unknown"}


def _licence(data: DataSet) -> Iterator[Finding]:
    if not data.licence:
        yield Finding("warning", "no licence is stated: a file LICENSE beside the data says what it may be used for")


def _tasks(data: DataSet) -> Iterator[Finding]:
    """Can tasks be drawn, and are they like each other?"""
    if data.kind == "regression":
        families = Counter(each.family for each in data.examples)
        if max(families.values()) < 2:
            yield Finding("error", "no family has two rows: one to adapt to, one to ask about")
        yield from _named("warning", "families of one row make no task", [f for f, num in families.items() if num < 2])
        return
    classes = data.classes()
    usable = Counter(family for (family, _), rows in classes.items() if len(rows) >= 2)
    if not usable or max(usable.values()) < 2:
        yield Finding("error", "no family has two labels with two rows each: no task can be drawn")
    yield from _named(
        "warning", "labels of one row are in no task", [_name(k) for k, r in classes.items() if len(r) < 2]
    )
    sizes = sorted(len(rows) for rows in classes.values())
    if sizes[-1] > UNEVEN * sizes[0]:
        yield Finding("warning", f"labels are uneven: from {sizes[0]} to {sizes[-1]} rows")


def _repeated(data: DataSet) -> Iterator[Finding]:
    """The same input twice: in training and test, under two labels, or just so."""
    places: dict[bytes, list[int]] = {}
    for position, example in enumerate(data.examples):
        try:
            key = hashlib.blake2b(content(example.input), digest_size=16).digest()
        except OSError:
            continue  # named as what cannot be read
        places.setdefault(key, []).append(position)
    repeated = [found for found in places.values() if len(found) > 1]

    def differing(part: str) -> list[str]:
        differ = [rows for rows in repeated if len({getattr(data.examples[row], part) for row in rows}) > 1]
        return [_place(data, rows[0]) for rows in differ]

    yield from _named("warning", "inputs are in more than one split: figures would be too good", differing("split"))
    target = "target" if data.kind == "regression" else "label"
    yield from _named("warning", f"inputs have more than one {target}", differing(target))
    if num := sum(len(rows) - 1 for rows in repeated):
        yield Finding("warning", f"repeated rows, their input being that of an earlier one: {num:,}")


def _targets(data: DataSet) -> Iterator[Finding]:
    """Labels that look alike; targets that never vary."""
    if data.kind == "regression":
        columns = np.array([each.target for each in data.examples])
        yield from _named("error", "targets never vary", [str(n) for n in np.flatnonzero(np.ptp(columns, 0) == 0)])
        return
    alike: dict[tuple[str, str], set[str]] = {}
    for family, label in data.classes():
        alike.setdefault((family, " ".join(label.split()).casefold()), set()).add(label)
    twins = [" and ".join(sorted(map(repr, names))) for names in alike.values() if len(names) > 1]
    yield from _named("warning", "labels differ by case or blanks only", twins)


def _inputs(data: DataSet) -> Iterator[Finding]:
    """What models cannot read, or read only in part."""
    if data.modality == "vector":
        yield from _columns(np.array([each.input for each in data.examples], np.float64))
    elif data.modality == "text":
        texts = [str(each.input) for each in data.examples]
        yield from _named(
            "error", "texts are blank", [_place(data, n) for n, text in enumerate(texts) if not text.strip()]
        )
        long = [_place(data, n) for n, text in enumerate(texts) if len(text.split()) > LONG_WORDS]
        yield from _named("warning", f"texts have more than {LONG_WORDS} words, of which models read no more", long)
    else:
        yield from _named("error", "images cannot be read", list(_unreadable(data)))


def _columns(rows: np.ndarray) -> Iterator[Finding]:
    missing = np.isnan(rows)
    if missing.any():
        bad = np.flatnonzero(missing.mean(0) > MANY_MISSING).tolist()
        much = f"; more than {MANY_MISSING:.0%} of columns {_list(list(map(str, bad)))}" if bad else ""
        yield Finding("warning", f"{missing.mean():.1%} of the cells are missing{much}: most models take none such")
    constant = np.flatnonzero(np.ptp(filled(rows), 0) == 0)
    yield from _named("warning", "columns never vary", [str(n) for n in constant])


def _unreadable(data: DataSet) -> Iterator[str]:
    for example in data.examples:
        if isinstance(example.input, Path | bytes):
            try:
                decoded(example.input)
            except UnusableData as error:
                yield str(error)


def _named(level: Literal["error", "warning"], what: str, names: Sequence[str]) -> Iterator[Finding]:
    if names:
        yield Finding(level, f"{len(names):,} {what}: {_list(names)}")


def _list(names: Sequence[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _name(key: tuple[str, str]) -> str:
    return "/".join(part for part in key if part)


def _place(data: DataSet, position: int) -> str:
    given = data.examples[position].input
    if isinstance(given, Path):
        return given.name
    return repr(given[:40]) if isinstance(given, str) else f"row {position + 1}"


def _median(sizes: Sequence[int]) -> int:
    return sizes[math.floor(len(sizes) / 2)]
