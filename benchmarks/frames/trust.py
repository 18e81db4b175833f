"""The command `python -m benchmarks.accuracy frames-trust`: how sure of slots to be, fitted on domains left out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import typer
from scipy.optimize import minimize

from benchmarks.frames.choosing import left_out
from benchmarks.frames.command import CACHE, PAGE
from benchmarks.page import command, put, table
from models.chain import NEARLY_NEVER, best, certainty, spans
from models.checkpoint import load
from models.data.episodes import Batch
from models.data.frames import FrameSet, episode
from models.heads.frames import shown
from models.learner import Learner
from models.training import figures
from models.training.evaluate import hardware
from models.training.frames import HELD_OUT, adapted
from models.types import Tagged, Tags

SHOTS, TOLD = (1, 2, 5, 10, 20), (1, 5, 10)
QUERIES = 12  # of each intent
MOST_OF_SOME = 9  # intents of a task that does not have all
ABOUT = """Expected calibration error in points (15 equal bins) of the slots that were said on domains left out of \
training, those of the table above; tasks of all intents of a set and as many of a few. Uncalibrated: the probability \
under the chain. Its log-odds get a slope, an offset and a part for the logarithm of the slot's words, each a line in \
the logarithm of one more than the examples that show the slot; sets and shots count alike in the fit. Without the \
domain, without the set: fitted to all others than what is asked. The last row is fitted to all, and ships as `TRUST` \
of models/training/frames.py: {found}. No test set is read."""


Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]


class Said(NamedTuple):
    """Slots that were said, one a row: of which tasks, how sure the chain was, what is known of it, whether right."""

    number: Floats  # of the set
    domain: Floats
    shots: Floats
    sure: Floats
    shown: Floats  # examples
    words: Floats
    right: Floats


def trust(
    folder: Annotated[Path, typer.Option(help="Of a model trained with hold_out=true.")],
    draws: Annotated[int, typer.Option(help="Of tasks of either kind, of each set and number of shots.")] = 12,
    results: Annotated[Path, typer.Option(help="The page of the table.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """How often slots are right that `frames` is so sure of, fitted on domains left out of training."""
    torch.set_num_threads(1)
    checkpoint, sets = load(folder), list(left_out(cache))
    said = [slot for number, (_, left) in enumerate(sets) for slot in _said(checkpoint.learner, left, number, draws)]
    columns = Said(*np.array(said).T)
    rows, found = compared(columns)
    made = f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}."
    made = f"{made} Model: `{checkpoint.digest[:12]}`."
    about = ABOUT.format(found=", ".join(str(tuple(row)) for row in found.round(2).tolist()))
    head = ["slots", *(f"{name}, {shots}-shot" for name in HELD_OUT for shots in TOLD)]
    put(results, "frames-trust", "\n\n".join([made, about, table(head, rows)]))
    typer.echo("\n".join([about, *map(" ".join, rows)]))


def compared(said: Said) -> tuple[list[list[str]], Floats]:
    """Rows of the table, and what was fitted to all [3 2]."""
    everything = np.ones(len(said.right), np.bool_)
    apart = said.number + said.domain / 1000  # one number a domain
    whole = fitted(said, everything)
    each = {
        "uncalibrated": said.sure,
        "without the domain": _without(said, apart),
        "without the set": _without(said, said.number),
        "of all": told(said, whole),
    }
    return [[name, *_errors(said, sure)] for name, sure in each.items()], whole


def fitted(said: Said, chosen: Bools) -> Floats:
    """The constants [3 2] of highest likelihood: see models.heads.frames.Frames.trust."""
    own, weights = Said(*(column[chosen] for column in said)), _weights(said)[chosen]
    sign = 1 - 2 * own.right

    def loss(constants: Floats) -> float:
        return float(weights @ np.logaddexp(0, sign * _odds(own, constants.reshape(3, 2))))

    found: Floats = minimize(loss, np.zeros(6), method="BFGS").x.reshape(3, 2)
    return found


def told(said: Said, constants: Floats) -> Floats:
    """Probabilities with these constants."""
    return 1 / (1 + np.exp(-_odds(said, constants)))


def _odds(said: Said, constants: Floats) -> Floats:
    log_slope, offset, longer = constants @ np.stack([np.ones_like(said.shown), np.log1p(said.shown)])
    sure = said.sure.clip(NEARLY_NEVER, 1 - NEARLY_NEVER)
    odds: Floats = np.exp(log_slope) * np.log(sure / (1 - sure)) + offset + longer * np.log(said.words)
    return odds


def _weights(said: Said) -> Floats:
    """Sets and shots count alike."""
    _, groups, counts = np.unique(said.number * 1000 + said.shots, return_inverse=True, return_counts=True)
    weights: Floats = 1 / counts[groups] / len(counts)
    return weights


def _without(said: Said, groups: Floats) -> Floats:
    """Probabilities of each group's slots with constants that are fitted to the others."""
    sure = np.zeros(len(groups))
    for group in np.unique(groups):
        own = groups == group
        sure[own] = told(said, fitted(said, ~own))[own]
    return sure


def _errors(said: Said, sure: Floats) -> Iterator[str]:
    for number in range(len(HELD_OUT)):
        for shots in TOLD:
            own = (said.number == number) & (said.shots == shots)
            answers = figures.Answers(said.right[None, own].astype(np.bool_), sure[None, own])
            yield f"{answers.calibration_error('').value:.1f}"


def _said(learner: Learner, left: FrameSet, number: int, draws: int) -> Iterator[tuple[float, ...]]:
    """The rows of Said of one set."""
    everything = [intent for domain in left.domains for intent in domain]
    domain_of = {intent: place for place, domain in enumerate(left.domains) for intent in domain}
    for shots in SHOTS:
        for draw in range(2 * draws):
            seed = torch.Generator().manual_seed(10_000 * shots + draw)
            intents = everything if draw % 2 else _some(everything, seed)
            for domain, *slot in _answered(learner, episode(left, intents, shots, QUERIES, seed), intents, domain_of):
                yield number, domain, shots, *slot


def _some(intents: Sequence[int], seed: torch.Generator) -> list[int]:
    """A few of them."""
    most = min(MOST_OF_SOME, len(intents))
    order = torch.randperm(len(intents), generator=seed)[: 2 + int(torch.randint(most - 1, (), generator=seed))]
    return [intents[place] for place in order.tolist()]


def _answered(
    learner: Learner, batch: Batch, intents: Sequence[int], domain_of: dict[int, int]
) -> Iterator[tuple[float, ...]]:
    """Of each slot that is said: its domain, and what Said has behind the shots."""
    with torch.inference_mode():
        params, query = adapted(learner, batch)
        scores = learner.head.predict(params, query)
    assert isinstance(scores, Tagged)
    assert isinstance(batch.target, Tags)
    chain = scores.words[0].double().numpy(), scores.moves[0].double().numpy(), scores.lengths[0].numpy()
    tags, examples = best(*chain), shown(params)[0].tolist()
    sure, truth = certainty(*chain, tags), batch.target.words[0].numpy()
    of = batch.target.intents.index[0].tolist()
    for row, (own, true, length) in enumerate(zip(tags, truth, chain[2].tolist(), strict=True)):
        real = set(spans(true, length))
        for slot, first, stop in spans(own, length):
            right = (slot, first, stop) in real
            yield domain_of[intents[of[row]]], sure[row, first], examples[slot], stop - first, right
