"""What a model on disk says of itself: read from model.json without torch, damage reported in one way."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"
DIGESTED = ("name", "modality", "kinds", "inputs", "encoder", "head")  # what fixes the answers, beside the weights
OPTIONAL = ("tasks", "several")  # and this, where a model has any
MAX_TASKS = 256
TASK_NAME = re.compile("[a-z0-9][a-z0-9-]{0,63}")

Part = Mapping[str, Any]  # a row of one of the tables: {"name": ..., options}


class DamagedCheckpoint(ValueError):
    """This folder does not hold a model that can be read; the message is a sentence for its owner."""


@dataclass(frozen=True)
class Card:
    """The content of model.json: how to rebuild a learner, and how it came about."""

    name: str
    modality: str  # image | text | vector | mixed
    kinds: tuple[str, ...]  # classification | regression
    inputs: Part
    encoder: Part
    head: Part
    created_at: str  # ISO 8601, UTC
    card: Mapping[str, Any] = field(default_factory=dict)  # recipe, data digests, commit, figures, licence
    tasks: Mapping[str, Part] = field(default_factory=dict)  # its own, by name: {"kind", "labels", "about"}
    several: tuple[str, ...] = ()  # modalities, where `modality` is "mixed"

    @property
    def modalities(self) -> tuple[str, ...]:
        """What its inputs may be."""
        return self.several or (self.modality,)

    def to_json(self) -> str:
        """The text of model.json; of what is optional, only what there is."""
        told = {name: value for name, value in asdict(self).items() if value or name not in OPTIONAL}
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def read_card(folder: Path) -> Card:
    """The description of the model in this folder. Raises DamagedCheckpoint."""
    try:
        content = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        return _checked(content)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError) as error:
        raise DamagedCheckpoint(f"{folder / DESCRIPTION} cannot be read: {error}") from None


def digest(folder: Path) -> str:
    """SHA-256 of the weights and of all that fixes the answers; editing the card's figures does not move it."""
    content = asdict(read_card(folder))
    keys = [*DIGESTED, *(key for key in OPTIONAL if content[key])]
    canonical = json.dumps({key: content[key] for key in keys}, sort_keys=True, separators=(",", ":"))
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(f"{folder / WEIGHTS} cannot be read: {error}") from None
    return hashlib.sha256(canonical.encode() + b"\0" + weights).hexdigest()


def _checked(content: Any) -> Card:
    """A card from parsed JSON. Raises TypeError for missing or unknown fields and wrong types."""
    if not isinstance(content, dict) or not set(content) <= {each.name for each in fields(Card)}:
        raise TypeError("it must be an object with the fields of a model")
    lists = {name: tuple(content.get(name, ())) for name in ("kinds", "several")}
    card = Card(**{**content, **lists})
    parts = (card.inputs, card.encoder, card.head)
    if not all(isinstance(part, dict) and isinstance(part.get("name"), str) for part in parts):
        raise TypeError("inputs, encoder and head must each be an object with a name")
    texts = (card.name, card.modality, card.created_at, *card.kinds, *card.several)
    if not card.kinds or not all(isinstance(text, str) and text for text in texts):
        raise TypeError("name, modality, kinds and created_at must be texts")
    _check_tasks(card)
    return card


def _check_tasks(card: Card) -> None:
    """Raises TypeError for tasks that cannot be listed."""
    if not isinstance(card.tasks, dict) or len(card.tasks) > MAX_TASKS:
        raise TypeError(f"tasks must be an object of at most {MAX_TASKS} tasks")
    for name, task in card.tasks.items():
        if not TASK_NAME.fullmatch(name):
            raise TypeError(f"{name!r} is no name for a task: small letters, digits and hyphens are")
        if not isinstance(task, dict) or task.keys() != {"kind", "labels", "about"} or task["kind"] not in card.kinds:
            raise TypeError(f"the task {name} must have kind (one of the model's), labels and about")
        labels = task["labels"]
        if (task["kind"] == "regression") is not (labels is None):
            raise TypeError(f"the task {name} must have labels exactly if it has classes")
        if labels is not None and not (isinstance(labels, list) and len(set(map(str, labels))) == len(labels) > 0):
            raise TypeError(f"the labels of the task {name} must be texts, each once")
