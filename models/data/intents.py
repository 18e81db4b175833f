"""Sets of utterances with intents and slots: CLINC150, HWU64, SGD; each read from the data folder, and by label."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.data.absent import AbsentDataSet

FILES: dict[str, Sequence[str]] = {
    "clinc150": ("clinc150.jsonl.gz",),
    "hwu64": ("hwu64.jsonl.gz",),
    "sgd": ("sgd_train.jsonl.gz", "sgd_dev.jsonl.gz"),
}
MEASURED: dict[str, Sequence[str]] = {  # never trained on
    "snips": ("snips.jsonl.gz",),
    "sentiments": ("sentiments.jsonl.gz",),
}
LEFT_OUT_DOMAINS = ("Buses", "Events", "Homes", "Music", "RentalCars")  # of SGD, to see how far training carries
CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Utterance:
    """A sentence, what it asks for, in which domain or service, and the names of the slots that it fills."""

    text: str
    intent: str
    domain: str | None  # none where it is out of scope
    split: str
    slots: tuple[str, ...]


def load_intents(data: Path, name: str) -> list[Utterance]:
    """Every utterance of a set. Raises AbsentDataSet."""
    found = []
    for file in (FILES | MEASURED)[name]:
        path = data / name / file
        if not path.is_file():
            raise AbsentDataSet(name, path)
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [_utterance(json.loads(line)) for line in lines]
    return found


def trainable(data: Path, name: str, held_out: bool = False) -> list[Utterance]:
    """What may be trained on: never a test split, nor what is out of scope.

    With `held_out`, none of the services of SGD that figures are given for: those of its dev split, and five domains.
    """
    rows = [each for each in load_intents(data, name) if each.domain and each.split != "test"]
    if not held_out:
        return rows
    return [each for each in rows if each.split == "train" and not (each.domain or "").startswith(LEFT_OUT_DOMAINS)]


def by_label(utterances: Sequence[Utterance], max_texts: int | None = None) -> dict[str, list[str]]:
    """The texts of each intent, without repetitions, at most so many; which is drawn by the texts' own digests."""
    texts: dict[str, dict[str, None]] = {}
    for each in sorted(utterances, key=lambda each: _drawn(each.text)):
        texts.setdefault(each.intent, {})[each.text] = None
    return {intent: list(texts[intent])[:max_texts] for intent in sorted(texts)}


def named(label: str) -> str:
    """An intent's or slot's name as a person would say it: card_lost and FindBus as "card lost" and "find bus"."""
    return CAPITALS.sub(" ", label).replace("_", " ").replace(".", " ").lower().strip()


def digest(utterances: Sequence[Utterance]) -> str:
    """SHA-256 of texts and intents, so that a card can say what a model was trained on."""
    content = hashlib.sha256()
    for each in utterances:
        content.update(json.dumps([each.text, each.intent]).encode())
    return content.hexdigest()


def _utterance(row: Mapping[str, object]) -> Utterance:
    text, intent, domain, split = (row.get(key) for key in ("text", "intent", "domain", "split"))
    return Utterance(
        str(text),
        str(intent or row.get("label")),
        None if domain is None and "label" in row else str(domain or ""),
        str(split),
        tuple(_slots(row.get("slots"))),
    )


def _slots(slots: object) -> Iterator[str]:
    for slot in slots if isinstance(slots, list) else ():
        yield str(slot["name"])


def _drawn(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
