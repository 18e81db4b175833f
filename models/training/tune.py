"""Search of a recipe's arguments: each try is a run, judged by the recipe's own validation and never by a test set."""

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from models.training.train import Run, train

if TYPE_CHECKING:
    from optuna import Study, Trial

Make: TypeAlias = Callable[..., Run]
JOURNAL = "study.log"


class NotTunable(ValueError):
    """This cannot be searched; the message is a sentence."""


@dataclass(frozen=True)
class Range:
    """What an argument may be: one of `choices`, or a number between two, by its logarithm where both are above 0."""

    name: str
    low: float | int = 0.0
    high: float | int = 0.0
    choices: tuple[Any, ...] = ()

    def drawn(self, trial: "Trial") -> Any:
        """The argument for one try."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.low > 0)
        return trial.suggest_float(self.name, self.low, self.high, log=self.low > 0)


def read_range(text: str) -> Range:
    """ "rate=1e-3..1e-2", or "width=64|128". Raises NotTunable."""
    name, equals, told = text.partition("=")
    low, dots, high = told.partition("..")
    try:
        if "|" in told:
            return Range(name, choices=tuple(_value(part) for part in told.split("|")))
        found = Range(name, json.loads(low), json.loads(high))
    except ValueError:
        found = Range(name)
    if not (name and equals and dots and found.low < found.high):
        raise NotTunable(f"{text!r} is no range: NAME=LOW..HIGH, or NAME=ONE|ANOTHER")
    return found


def tune(
    make: Make,
    ranges: Sequence[Range],
    folder: Path,
    num_trials: int,
    metric: str | None = None,
    report: Callable[[int, float, Mapping[str, Any]], None] = lambda number, value, arguments: None,
    *,
    fixed: Mapping[str, Any],
) -> "Study":
    """So many tries in all, those of this search in `folder` among them; figures of validation are to be high.

    Without a `metric` their mean counts. What is `fixed`, the ranges and the metric make a search: tries of another do
    not count. Raises NotTunable for a recipe that has no validation, or no such argument.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    _refuse_unknown(make, ranges)
    name = _name(ranges, metric, fixed)
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
        sampler=optuna.samplers.TPESampler(seed=0),
        study_name=name,
        direction="maximize",
        load_if_exists=True,
    )

    def judged(trial: "Trial") -> float:
        arguments = {each.name: each.drawn(trial) for each in ranges}
        value = _judged(make(**arguments), folder / name / f"trial-{trial.number}", metric)
        report(trial.number, value, arguments)
        return value

    done = sum(trial.value is not None for trial in study.trials)
    study.optimize(judged, n_trials=max(0, num_trials - done))
    return study


def _name(ranges: Sequence[Range], metric: str | None, fixed: Mapping[str, Any]) -> str:
    """Of a search, by what is searched."""
    told = [sorted(json.dumps(asdict(each)) for each in ranges), metric, dict(fixed)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _judged(run: Run, folder: Path, metric: str | None) -> float:
    if run.validate is None:
        raise NotTunable(f"the recipe of {run.card.name} has no validation to choose by")
    train(run, folder)
    run.learner.eval()
    with torch.inference_mode():
        figures = run.validate(run.learner)
    if metric is not None and metric not in figures:
        raise NotTunable(f"the validation has no {metric!r}; it has {', '.join(figures)}")
    value = figures[metric] if metric else sum(figures.values()) / len(figures)
    return value if math.isfinite(value) else -math.inf


def _refuse_unknown(make: Make, ranges: Sequence[Range]) -> None:
    known = inspect.signature(make).parameters
    for each in ranges:
        if each.name not in known:
            raise NotTunable(f"the recipe takes no {each.name!r}; it takes {', '.join(known)}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
