"""The command `python -m benchmarks.accuracy photos`: classes that the recipe was not trained on, beside two rivals.

Each set's classes are divided in two halves; the recipe is trained on one and measured on the other, both ways round.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import typer
from jaxtyping import Float
from torch import Tensor

from benchmarks.page import command, put, table
from benchmarks.photos_cost import costs
from models.checkpoint import load
from models.data.photos import SETS
from models.encoders.efficientnet_lite import WIDTH, EfficientNetLite
from models.heads.head import Head
from models.heads.logistic import Logistic
from models.heads.prototypical import Prototypical
from models.training.evaluate import hardware
from models.training.figures import Figure, episode_answers, percent
from models.training.photos import Described, described, photos_run
from models.training.publish import publish
from models.training.train import train

SETTINGS = ((5, 1, 300), (5, 5, 200), (20, 5, 40), (0, 5, 6))  # ways (0: all), shots, tasks of each half
PENALTIES = (1.0, 0.1, 0.01)
TITLES = {
    "caltech101_a": "Caltech-101, half A (most classes are ImageNet's too)",
    "grocery": "Grocery Store, train split (some classes are ImageNet's too)",
}
RUNS, PAGE, CACHE = Path("runs/accuracy/photos"), Path("docs/results.md"), Path("~/.cache/kshot").expanduser()

Features = Callable[[Float[Tensor, "B D"]], Float[Tensor, "B E"]]


@dataclass(frozen=True)
class Method:
    """A head on what it takes of the encoder's description; of several heads the best one of a column is shown."""

    heads: Sequence[Head]
    features: Features


def photos(
    steps: Annotated[int, typer.Option(help="Of training, for each half.")] = 300,
    out: Annotated[Path, typer.Option(help="Where the runs are.")] = RUNS,
    results: Annotated[Path, typer.Option(help="The page of the tables.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
    accuracy: Annotated[bool, typer.Option(help="Train and measure what is right.")] = True,
    speed: Annotated[bool, typer.Option(help="Measure what it costs; for an idle machine.")] = True,
) -> None:
    """Photographs: the recipe on classes left out of its training, beside centroids and logistic regression."""
    made = f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {hardware()}."
    if accuracy:
        accuracies, digests = _accuracies(kept_descriptions(cache, out), steps, out)
        put(results, "comparison-photos", f"{made} {_about(digests)}\n\n{_tables(accuracies)}")
    if speed:
        load = os.getloadavg()[0]
        rows = [[each.name, str(each) if each.half else f"{each.value:.0f} {each.unit}"] for each in costs()]
        put(results, "cost-photos", f"{made} Load before it: {load:.0f}.\n\n{table(['cost of photos', ''], rows)}")


def _about(digests: Sequence[str]) -> str:
    """What the columns and rows of the table of accuracies are."""
    return (
        "Trained on one half of each set's classes, measured on the other, both ways round "
        f"(`{digests[0][:8]}`, `{digests[1][:8]}`); no test split is read. The rivals get the same features that the "
        "recipe starts from, or the encoder's usual 1,280 alone; logistic regression has the best of three penalties, "
        "in hindsight. Accuracy in %, with 95% intervals over tasks."
    )


def kept_descriptions(data: Path, out: Path) -> Described:
    """Every photograph described; kept in `out`, since that takes minutes."""
    path = out / "descriptions.npz"
    if not path.is_file():
        made = described(data)
        out.mkdir(parents=True, exist_ok=True)
        beside = path.with_name("descriptions.partial.npz")
        told = json.dumps({"names": list(made.names), "digests": dict(made.digests)})
        np.savez(beside, rows=made.rows, label=made.label, half=made.half, told=told)
        beside.replace(path)
    with np.load(path) as kept:
        rows, label, half = (torch.from_numpy(kept[name]) for name in ("rows", "label", "half"))
        content = json.loads(str(kept["told"]))
        names = [(of, each) for of, each in content["names"]]
        return Described(rows, label, names, half, content["digests"])


Accuracies = Mapping[str, Mapping[str, Sequence[Figure]]]  # set -> method -> figures in the order of the settings


def _accuracies(known: Described, steps: int, out: Path) -> tuple[Accuracies, list[str]]:
    """Of every set and method, over the tasks of both halves; and the digests of the two models."""
    found: dict[str, dict[str, list[list[npt.NDArray[np.float64]]]]] = {}
    digests = []
    for half in (0, 1):
        digest, ours = trained(known, steps, half, out)
        digests.append(digest)
        for name in SETS:
            others = of_set(known.only(known.half != half), name)
            for title, method in {"`photos`": ours, **rivals()}.items():
                found.setdefault(name, {}).setdefault(title, []).append(_shares(others, method))
    figures = {
        name: {
            title: [percent("", np.concatenate(both)) for both in zip(*halves, strict=True)]
            for title, halves in each.items()
        }
        for name, each in found.items()
    }
    return figures, digests


def trained(known: Described, steps: int, half: int, out: Path) -> tuple[str, Method]:
    """The recipe trained on one half of the classes, as it would be served, and its digest."""
    folder = out / f"half-{half}"
    model = folder / "models/photos"
    if not (model / "model.json").is_file():
        run = photos_run(known, steps, half)
        train(run, folder)
        publish(run, model)
    checkpoint = load(model)
    encoder = checkpoint.learner.encoder
    assert isinstance(encoder, EfficientNetLite) and encoder.projection is not None
    return checkpoint.digest, Method([checkpoint.learner.head], encoder.projection)


def rivals() -> dict[str, Method]:
    """Nearest centroid and logistic regression, on all that the recipe has and on the usual features."""
    found = {}
    for what, features in (("same features", lambda rows: rows), ("1,280 features", _usual)):
        found[f"nearest centroid, {what}"] = Method([Prototypical()], features)
        found[f"logistic regression, {what}"] = Method([Logistic(penalty) for penalty in PENALTIES], features)
    return found


def of_set(known: Described, name: str) -> Described:
    """The photographs of one set."""
    return known.only(torch.tensor([known.names[number][0] == name for number in known.label.tolist()]))


def _usual(rows: Float[Tensor, "B D"]) -> Float[Tensor, "B E"]:
    """The features whose roots begin a description, at unit length."""
    return F.normalize(rows[:, :WIDTH].square(), dim=-1)


def _shares(known: Described, method: Method) -> list[npt.NDArray[np.float64]]:
    """Of each setting the share of right answers, task by task."""
    with torch.inference_mode():
        features = method.features(known.rows)
    pool = [torch.nonzero(known.label == number).squeeze(1) for number in torch.unique(known.label)]
    shares = []
    for ways, shots, num_tasks in SETTINGS:
        asked = [
            episode_answers(
                head, features, pool, ways=ways or len(pool), shots=shots, num_tasks=num_tasks, max_tasks=10
            )
            for head in method.heads
        ]
        shares.append(max((answers.right.mean(1) for answers in asked), key=lambda share: float(share.mean())))
    return shares


def _tables(accuracies: Accuracies) -> str:
    """One table a set."""
    parts = []
    for name, rows in accuracies.items():
        columns = [f"{ways}-way {shots}-shot" if ways else f"all-way {shots}-shot" for ways, shots, _ in SETTINGS]
        body = [[title, *(str(figure).removesuffix(" %") for figure in figures)] for title, figures in rows.items()]
        parts.append(table([TITLES[name], *columns], body))
    return "\n\n".join(parts)
