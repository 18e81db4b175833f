"""Answers held against the truth: what was counted, and how sure the answers were."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.frames.methods import Answers
from models.chain import spans
from models.data.episodes import Batch
from models.training import figures
from models.training.frames import figures_of
from models.types import Tags

Sure: TypeAlias = list[tuple[bool, float]]  # whether each was right, and its probability
COLUMNS = ("intent accuracy", "slot F1", "whole frames", "ECE of intents", "ECE of slots")


@dataclass(frozen=True)
class Tally:
    """One task's: as models.training.frames.counts counts; and of each intent and slot that was said, how sure."""

    counts: npt.NDArray[np.int64]
    intents: Sure
    slots: Sure


def tally(batch: Batch, answers: Answers) -> Tally:
    """Of the queries of a task, in the numbering of its rows for those who read plain features."""
    assert isinstance(batch.target, Tags)
    total, sure_slots = np.zeros(6, np.int64), Sure()
    lengths = (batch.query.values[0, :, 1:].abs().sum(-1) > 0).sum(1).tolist()
    is_right = (answers.intents == batch.target.intents.index[0].numpy()).tolist()
    truth = batch.target.words[0].numpy()
    for row, (hit, tags, true, length) in enumerate(zip(is_right, answers.tags, truth, lengths, strict=True)):
        said, real = set(spans(tags, length)), set(spans(true, length))
        total += [hit, hit and said == real, len(real), len(said), len(said & real), 1]
        if answers.sure_slots is not None:
            sure_slots += [(span in real, float(answers.sure_slots[row, span[1]])) for span in said]
    sure = [] if answers.sure is None else list(zip(is_right, answers.sure.tolist(), strict=True))
    return Tally(total, sure, sure_slots)


def shown(each: Sequence[Tally]) -> list[str]:
    """A row of cells: means and standard deviations over tasks, and expected calibration errors of all answers."""
    found = [figures_of(one.counts) for one in each]
    cells = [_spread([one[figure] for one in found]) for figure in ("intent", "slots", "frame")]
    intents, slots = [pair for one in each for pair in one.intents], [pair for one in each for pair in one.slots]
    return [*cells, _calibration(intents), _calibration(slots)]


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}"


def _calibration(pairs: Sure) -> str:
    if not pairs:
        return "-"
    right, sure = (np.array([part]) for part in zip(*pairs, strict=True))
    return f"{figures.Answers(right.astype(np.bool_), sure).calibration_error('').value:.1f}"
