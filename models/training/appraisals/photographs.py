"""Classes of photographs that twins of `photos` were not trained on."""

from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import Checkpoint, load
from models.encoders.efficientnet_lite import EfficientNetLite
from models.training.appraisals.fitting import APART
from models.training.appraisals.pools import SEED, Fitting, Pool
from models.training.photos import Described, described

NUM_CLASSES = 8  # of a group: neighbours by name, which are often of one kind
MAX_SHOTS = 50  # of a class, or all but two of its photographs
MIN_PHOTOS = 4
HALF = 0  # of the classes; the other one is left for figures


def photos(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Half of the classes, as the twin sees them that was trained on the others; the goods of a shop are apart."""
    if twin is None:
        raise ValueError("photos needs --twin: the folder of `benchmarks.accuracy photos`, which trains the twins")
    told = "half of the classes of Caltech-101 and Grocery Store, by a twin that was trained on the other half"
    return Fitting(unseen(described(data), HALF, twin), 900, told)


def unseen(known: Described, half: int, twin: Path, noisy: float = 0.1) -> Pool:
    """The classes of this half, as a twin sees them that was trained on the others."""
    model = load(twin / f"half-{1 - half}/models/photos")
    encoder = model.learner.encoder
    assert isinstance(encoder, EfficientNetLite) and encoder.projection is not None
    own = known.only(known.half == half)
    with torch.inference_mode():
        rows = encoder.projection(own.rows)
    groups: dict[str, list[Tensor]] = {}
    for name in sorted({name for name, _ in known.names}):
        numbers = [number for number, (of, _) in enumerate(known.names) if of == name]
        places = [torch.nonzero(own.label == number).flatten() for number in numbers]
        kept = [each for each in places if len(each) >= MIN_PHOTOS]
        title = f"{APART if name == 'grocery' else ''}{name}"
        groups[f"{title}, all"] = kept
        for first in range(0, len(kept) - NUM_CLASSES // 2, NUM_CLASSES):
            groups[f"{title} {first}"] = kept[first : first + NUM_CLASSES]
    return Pool(rows, groups, max_shots=MAX_SHOTS, max_queries=15, seed=SEED, noisy=noisy)
