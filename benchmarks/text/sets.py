"""The sets that figures of texts are given for: what is shown of each intent, and what is asked."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.intents import LEFT_OUT_DOMAINS, Utterance, by_label, load_intents, named

SHOTS = (1, 2, 5, 10, 20)
ASKED = 3  # of a set without a test split, one text in so many is asked


@dataclass(frozen=True)
class TextSet:
    """Intents with the texts that may be shown, the queries, and texts of no intent; what was left out of training."""

    name: str
    about: str
    left_out: str
    shown: Mapping[str, Sequence[str]]
    queries: Sequence[str]
    truth: npt.NDArray[np.int64]
    reads: str  # for the ledger
    strangers: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The labels as words."""
        return [named(label) for label in self.shown]

    @property
    def texts(self) -> list[str]:
        """Everything there is to encode."""
        shown = [text for texts in self.shown.values() for text in texts]
        return sorted({*shown, *self.queries, *self.strangers, *self.names})

    def draw(self, shots: int, number: int, behind: int = 0) -> tuple[list[str], npt.NDArray[np.int64]]:
        """So many texts of each intent, or all where there are fewer; draws of more shots hold those of fewer.

        With `behind`, of those that come behind a draw of so many.
        """
        texts, classes = [], []
        for label, own in enumerate(self.shown.values()):
            order = np.random.default_rng([number, label]).permutation(len(own))[behind : behind + shots]
            texts += [own[place] for place in order]
            classes += [label] * len(order)
        return texts, np.array(classes)


def clinc150(data: Path, split: str = "test") -> TextSet:
    """All 150 intents; shown from the training split, asked from `split`."""
    rows = load_intents(data, "clinc150")
    shown = by_label([each for each in rows if each.domain and each.split == "train"])
    asked = [each for each in rows if each.domain and each.split == split]
    strangers = [each.text for each in rows if each.split == f"oos_{split}"]
    reads = f"CLINC150 {split} ({len(asked)} texts, {len(strangers)} out of scope)"
    return text_set("CLINC150", "150 intents", "clinc150", shown, asked, reads, strangers)


def hwu64(data: Path) -> TextSet:
    """All 64 intents of the first fold."""
    rows = load_intents(data, "hwu64")
    asked = [each for each in rows if each.split == "test"]
    shown = by_label([each for each in rows if each.split == "train"])
    return text_set("HWU64", "64 intents", "hwu64", shown, asked, f"HWU64 test, fold 1 ({len(asked)} texts)")


def sgd_services(data: Path) -> TextSet:
    """The services that are in the dev split alone; an intent of several services is one."""
    rows = load_intents(data, "sgd")
    trained = {each.domain for each in rows if each.split == "train"}
    return _divided("SGD services", [each for each in rows if each.domain not in trained])


def sgd_domains(data: Path) -> TextSet:
    """The five domains that no part of training saw."""
    rows = load_intents(data, "sgd")
    return _divided("SGD domains", [each for each in rows if (each.domain or "").startswith(LEFT_OUT_DOMAINS)])


SETS: Mapping[str, Callable[[Path], TextSet]] = {
    "clinc150": clinc150,
    "hwu64": hwu64,
    "sgd-services": sgd_services,
    "sgd-domains": sgd_domains,
}
LEFT_OUT = {"clinc150": "clinc150", "hwu64": "hwu64", "sgd-services": "sgd", "sgd-domains": "sgd"}  # of training


def _divided(name: str, rows: Sequence[Utterance]) -> TextSet:
    """A set without a test split: a fixed third of the texts is asked."""
    asked = [each for each in rows if _digest(each.text) % ASKED == 0]
    shown = by_label([each for each in rows if _digest(each.text) % ASKED])
    about = f"{len(shown)} intents of {len({each.domain for each in rows})} services"
    return text_set(name, about, "sgd", shown, asked, f"{name} never trained on ({len(asked)} texts)")


def text_set(
    name: str,
    about: str,
    left_out: str,
    shown: Mapping[str, Sequence[str]],
    asked: Sequence[Utterance],
    reads: str,
    strangers: Sequence[str] = (),
) -> TextSet:
    """A set whose labels are in the order of what is shown."""
    index = {label: place for place, label in enumerate(shown)}
    truth = np.array([index[each.intent] for each in asked])
    return TextSet(name, about, left_out, shown, [each.text for each in asked], truth, reads, strangers)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def cells(sets: Sequence[str], shots: Sequence[int], draws: int) -> Iterator[tuple[str, int, int]]:
    """Every set, shots and draw, the first draws of all before the others."""
    for number in range(draws):
        for name in sets:
            for each in shots:
                yield name, each, number
