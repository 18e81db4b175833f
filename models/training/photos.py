"""The recipe of `photos`: any photographs, from what EfficientNet-Lite0 knows of ImageNet and from two sets of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from models.bases import BASES, find, sha256_of
from models.card import Card, Part
from models.checkpoint import build
from models.data.episodes import Batch, generator
from models.data.labels import Label, LabelEpisodes, LabelSet
from models.data.photos import SETS, Photos, load_photos
from models.encoders import vision
from models.encoders.efficientnet_lite import WEIGHTS, EfficientNetLite
from models.encoders.vision import Vision
from models.inputs.photo import PhotoInput
from models.learner import Learner
from models.training.discriminant import discriminant
from models.training.effort import EFFORT
from models.training.figures import encode_all
from models.training.objectives.episodic import Metrics, episodic
from models.training.train import Run

BASE = "efficientnet_lite0"
TAPS = (10, 14, 15)  # the last three stages
WIDTH = 1024
MAX_ROWS = 500  # of a task that is trained on
SHOWN = ("Ginger", "Kiwi", "Leek", "Nectarine", "Passion-Fruit", "Peach", "Red-Beet", "Satsumas")  # never trained on
SPLIT_SEED = 1
LICENCE = (
    "Apache-2.0; trained on half of Caltech-101 (CC BY 4.0; Li, Andreetto, Ranzato, Perona) and Grocery Store "
    "(MIT; Klasson, Zhang, Kjellström). The base, not in here, has Google's weights of EfficientNet-Lite0 (Apache-2.0),"
    " trained on ImageNet: classes of one's own that ImageNet has too are not new to it"
)
OWN_LICENCE = "trained on half of Caltech-101 (CC BY 4.0) and Grocery Store (MIT), on a base with a licence of its own"


@dataclass(frozen=True)
class Described:
    """Photographs of all sets, described by the frozen encoder: the set, class and half of each."""

    rows: Float[Tensor, "B D"]
    label: Int64[Tensor, "B"]  # one number for every class of every set
    names: Sequence[tuple[str, str]]  # set and class of each number
    half: Int64[Tensor, "B"]
    digests: Mapping[str, str]

    def only(self, keep: Tensor) -> "Described":
        """Some of the photographs."""
        return Described(self.rows[keep], self.label[keep], self.names, self.half[keep], self.digests)

    def halved(self) -> "Described":
        """The same, the classes that are there divided anew into halves."""
        return Described(self.rows, self.label, self.names, _halves(self.label, self.names), self.digests)


def photos(data: Path, num_steps: int = 300, half: int | None = None, encoder: str = BASE) -> Run:
    """Train on every class but those of the demonstration; with `half` 0 or 1 on that half of each set alone.

    Another `encoder` is a base of one's own for the library transformers.
    """
    return photos_run(described(data, encoder), num_steps, half, encoder)


def encoder_part(name: str) -> Part:
    """The encoder of this name in a model's card."""
    if name == BASE:
        part: Part = {"name": "efficientnet_lite", "base": BASE, "taps": list(TAPS), "width": WIDTH}
        return {**part, "sha256": BASES[BASE].files[WEIGHTS]}
    width = min(WIDTH, Vision(name).width_in)
    return {"name": "vision", "base": name, "width": width, "sha256": sha256_of(find(name, vision.WEIGHTS))}


def described(data: Path, name: str = BASE) -> Described:
    """Every photograph of every set, as it would be served, described by the frozen encoder; minutes of two cores."""
    encoder = EfficientNetLite(BASE, output="description", taps=TAPS) if name == BASE else Vision(name)
    encoder.eval().to(torch.bfloat16)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
    rows, labels, digests = [], [], {}
    names: list[tuple[str, str]] = []
    for name in SETS:
        found = load_photos(data, name)
        found = found.only(np.array([place for place, each in enumerate(found.classes) if each not in SHOWN]))
        rows.append(described_set(encoder, found))
        labels.append(torch.from_numpy(found.label) + len(names))
        names += [(name, each) for each in found.classes]
        digests[name] = found.digest()
    label = torch.cat(labels)
    return Described(torch.cat(rows), label, names, _halves(label, names), digests)


def described_set(encoder: nn.Module, found: Photos, rows: int = 64) -> Float[Tensor, "B D"]:
    """Descriptions of these photographs; few at a time in memory."""
    take, parts = PhotoInput(), []
    learner = Learner(encoder, nn.Identity())  # type: ignore[arg-type]
    for first in range(0, len(found.jpegs), rows):
        pictures = [take(found.image(row)) for row in range(first, min(first + rows, len(found.jpegs)))]
        parts.append(encode_all(learner, torch.from_numpy(np.stack(pictures)), rows=8))
    return torch.cat(parts)


def photos_run(known: Described, num_steps: int = 300, half: int | None = None, encoder: str = BASE) -> Run:
    """The run over photographs that are described already."""
    torch.manual_seed(0)
    if half is not None:
        known = known.only(known.half == half).halved()
    card = _card(known, num_steps, half, encoder_part(encoder))
    learner = build(card.encoder, card.head)
    assert isinstance(learner.encoder, EfficientNetLite | Vision) and learner.encoder.projection is not None
    projection = learner.encoder.projection.requires_grad_(False)
    projection.centre.data, projection.weight.data = discriminant(known.rows, known.label, WIDTH)
    return Run(
        card=card,
        learner=learner,
        objective=of_features,
        batches=Halves(known),
        num_steps=num_steps,
        optimiser="adamw",
        rate=0.02,
        max_norm=5.0,
    )


class Halves:
    """Episodes of one half of the classes, seen by the directions of the other half, and the other way round.

    The head must learn how sure it may be of classes that nothing was trained on. The directions of a class's own
    would show it further from the others than a new one will be.
    """

    def __init__(self, known: Described) -> None:
        self.episodes = [
            self._episodes(known.only(known.half == half), known.only(known.half != half)) for half in (0, 1)
        ]

    def __call__(self, step: int) -> Batch:
        """The tasks of one step."""
        return self.episodes[step % 2](step)

    @staticmethod
    def _episodes(own: Described, other: Described) -> LabelEpisodes:
        centre, weight = discriminant(other.rows, other.label, WIDTH)
        return LabelEpisodes((own.rows - centre) @ weight, label_sets(own), max_rows=MAX_ROWS, named=False)


def of_features(learner: Learner, batch: Batch) -> Metrics:
    """The loss of the head alone, on rows that are features."""
    return episodic(Learner(nn.Identity(), learner.head), batch)


def label_sets(known: Described) -> list[LabelSet]:
    """The classes of each set; of goods also the groups that they belong to, for tasks of several labels a photo."""
    sets = []
    for name in SETS:
        numbers = [number for number in torch.unique(known.label).tolist() if known.names[number][0] == name]
        labels = [_label(known, [number]) for number in numbers]
        sets.append(LabelSet(labels, [*labels, *_groups(known, numbers)]))
    return sets


def _label(known: Described, numbers: Sequence[int]) -> Label:
    return Label(torch.nonzero(torch.isin(known.label, torch.tensor(numbers))).squeeze(1), -1)


def _groups(known: Described, numbers: Sequence[int]) -> list[Label]:
    """Every eight classes in the order of their names: a made-up label that several kinds of photographs share."""
    return [_label(known, numbers[first : first + 8]) for first in range(0, len(numbers) - 7, 8)]


def _halves(label: Int64[Tensor, "B"], names: Sequence[tuple[str, str]]) -> Int64[Tensor, "B"]:
    """A half of each set's classes, and the rest; by a draw that only the set's classes decide."""
    half = torch.zeros_like(label)
    for name in SETS:
        numbers = [number for number in torch.unique(label).tolist() if names[number][0] == name]
        order = torch.randperm(len(numbers), generator=generator(SPLIT_SEED, len(numbers))).tolist()
        second = torch.tensor([numbers[place] for place in order[: len(numbers) // 2]], dtype=torch.long)
        half[torch.isin(label, second)] = 1
    return half


def _card(known: Described, num_steps: int, half: int | None, encoder: Part) -> Card:
    """What is told of the model; of another base its owner knows the licence."""
    part = f"all classes but {', '.join(SHOWN)}" if half is None else f"half {half} of each set's classes"
    present = [known.names[number] for number in torch.unique(known.label).tolist()]
    told: dict[str, Any] = {
        "recipe": f"kshot train photos ({num_steps} steps, {__name__})",
        "inputs": "photographs: the middle square at 224 x 224, in colour",
        "split": f"trained on {part}",
        "classes": {name: [each for of, each in present if of == name] for name in SETS},
        "data": dict(known.digests),
        "effort": EFFORT,
        "licence": LICENCE if encoder["base"] == BASE else OWN_LICENCE,
    }
    return Card(
        name="photos",
        modality="image",
        kinds=("classification", "multilabel"),
        inputs={"name": "photo", "size": PhotoInput().size},
        encoder=encoder,
        head={"name": "prior_logistic", "cosine": True},
        created_at="",
        card=told,
    )
