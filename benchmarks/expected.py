"""How honest forecasts are: `python -m benchmarks.expected`, on alphabets and sets that nothing was fitted to."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.apart import READS, Read
from benchmarks.page import command, put, table
from models.appraisal import LEVELS, Appraisal
from models.training.appraisals.judging import Asked, Judged, judged, told_by
from models.training.appraisals.pools import Pool
from models.training.evaluate import hardware
from models.training.ledger import append

PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
BINS = {"1": (0.0, 1.5), "2": (1.5, 2.5), "3-5": (2.5, 5.5), "6-20": (5.5, 20.5), "21-50": (20.5, 99.0)}
CURVE_BINS = {"3-6": (0.0, 6.5), "7-12": (6.5, 12.5), "13-30": (12.5, 30.5), "31-50": (30.5, 99.0)}
CALIBRATION_BINS = 15
ABOUT = """Tasks of 2 to 20 labels; `in` is the share of tasks whose figure lies in the 90% interval, `error` the mean \
distance from the figure, in points, of what was expected and of plain leave-one-out (five folds at most), which needs \
two examples a label; `all right` the share of tasks without a wrong answer, which no interval can miss from above. \
Queries are few where data are: `chance` is the error that \
that alone makes, whoever guesses. Calibration error is of scores, pooled over tasks \
in 15 bins. Sets of labels: the share that holds the right one, and how many labels they have."""


def expected(
    only: Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")] = None,
    twin: Annotated[Path | None, typer.Option(help="Of text and photos: runs of `benchmarks.accuracy`.")] = None,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """Coverage and errors of what models expect of tasks, calibration, label sets and suspects."""
    torch.set_num_threads(1)
    for name in only or list(READS):
        read = READS[name](cache, twin)
        when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        entry = f"\n## {name}, what it expects, {when}\n\n- command: `{command('expected')}`, {hardware()}\n"
        append(results, f"{entry}- digest: `{read.model.digest}`\n- read: {read.told}\n")  # whatever comes out
        head = read.model.learner.head
        with torch.inference_mode():
            found = [judged(head, read.source(number)) for number in range(read.num_tasks)]
            shown = _tables(read.model.appraisals[read.kind], found)
            if isinstance(read.source, Pool):
                shown += f"\n\n{_suspects(read, [replace(read.source, noisy=1.0)(number) for number in range(200)])}"
        about = f"`{command('expected')}`, {when}, one thread of {hardware()}. {read.num_tasks} tasks: {read.told}."
        put(results, f"expected-{name}", f"{about} {ABOUT if name == 'glyphs' else ''}\n\n{shown}")
        append(results, f"\n### {name}, {when}\n\n{shown}\n")  # others may have begun theirs meanwhile
        typer.echo(f"{about}\n\n{shown}\n")


def _tables(appraisal: Appraisal, found: Sequence[Judged]) -> str:
    signs = torch.stack([each.signs for each in found])
    told = appraisal.appraise(signs)
    sizes = signs[:, 0].expm1().numpy()
    low, middle, high = told.interval.numpy().T
    truth, plain = (np.array([getattr(each, name) for each in found]) for name in ("figure", "held_out"))
    what = "R2" if appraisal.is_regression else "accuracy"
    rows = []
    for name, mine in _bins(sizes, appraisal):
        is_in = ((low - 1e-6 <= truth) & (truth <= high + 1e-6))[mine]
        error, by_folds = np.abs(truth - middle)[mine], np.abs(truth - plain)[mine]
        queries = np.mean([len(each.truth) for each, is_mine in zip(found, mine, strict=True) if is_mine])
        chance = np.array([_chance(each) for each, is_mine in zip(found, mine, strict=True) if is_mine])
        columns = (truth[mine], is_in, (high - low)[mine], truth[mine] == 1, error, by_folds, chance)
        rows.append([name, str(mine.sum()), f"{queries:.0f}", *map(_percent, columns)])
    head = ["shots", "tasks", "queries a task", f"{what}, %", "in, %", "width", "all right, %"]
    parts = [table([*head, "error", "error of leave-one-out", "chance"], rows)]
    if told.thresholds is not None:
        served = [told_by(*each) for each in zip(found, told.temperature.tolist(), strict=True)]
        parts.append(_calibration(found, served, sizes, told.thresholds, appraisal))
    return "\n\n".join(parts)


def _chance(each: Judged) -> float:
    """How far, in the mean, so many queries are right more or less often than they would be in the long run."""
    if each.answers.shape != each.truth.shape:
        return float(np.sqrt(2 / np.pi * each.figure * (1 - each.figure) / len(each.truth)))
    return float("nan")  # of a regression


def _calibration(
    plain: Sequence[Judged], found: Sequence[Judged], sizes: np.ndarray, thresholds: torch.Tensor, appraisal: Appraisal
) -> str:
    """Of tasks as the head answers them, and as they are served."""
    rows = []
    for name, mine in _bins(sizes, appraisal):
        places = np.flatnonzero(mine).tolist()
        sets = [_sets(found[place], thresholds[place]) for place in places]
        errors = [f"{100 * _error([tasks[place] for place in places]):.2f}" for tasks in (found, plain)]
        means = np.mean(sets, 0)
        cells = [f"{100 * share:.1f} ({size:.1f})" for share, size in means]
        worst = [f"{100 * np.quantile(np.array(sets)[:, place, 0], 0.1):.1f}" for place in (2, 3)]
        rows.append([name, *errors, *cells, " / ".join(worst)])
    head = [f"sets of {100 * level:.0f} %" for level in LEVELS]
    errors = ["calibration error, %", "without a temperature, %"]
    return table(["shots", *errors, *head, "worst tenth of tasks, 90 / 95 %"], rows)


def _error(tasks: Sequence[Judged]) -> float:
    """How far, in the mean over all their queries, the share of right answers is from how sure they are."""
    gaps, total = np.zeros(CALIBRATION_BINS), 0
    for each in tasks:
        sure, best = each.answers.exp().max(-1)
        right = (best == each.truth).double().numpy()
        places = np.minimum((sure.double().numpy() * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        gaps += np.bincount(places, sure.double().numpy() - right, CALIBRATION_BINS)
        total += len(right)
    return float(np.abs(gaps).sum() / total)


def _sets(each: Judged, least: torch.Tensor) -> list[tuple[float, float]]:
    """Of each level how often sets hold the right label, and how large they are."""
    found = []
    for threshold in least:
        is_in = each.answers >= threshold
        is_in[torch.arange(len(is_in)), each.answers.argmax(-1)] = True
        held = is_in.gather(1, each.truth.unsqueeze(1)).float().mean()
        found.append((float(held), float(is_in.sum(1).float().mean())))
    return found


def _suspects(read: Read, tasks: Sequence[Asked]) -> str:
    """Of tasks with a tenth of their labels wrong: how many of these are found, how many accused are right."""
    num_wrong = num_found = num_clean = num_accused = 0
    for asked in tasks:
        wrong = set(asked.wrong)
        accused = {each.row for each in judged(read.model.learner.head, asked).accused}
        if wrong:
            num_wrong, num_found = num_wrong + len(wrong), num_found + len(wrong & accused)
            num_clean += asked.support.rows.mask.shape[1] - len(wrong)
            num_accused += len(accused - wrong)
    row = [str(num_wrong), f"{100 * num_found / max(1, num_wrong):.1f}", f"{100 * num_accused / max(1, num_clean):.2f}"]
    return table(["wrong labels, one in ten", "suspected, %", "right ones suspected, %"], [row])


def _bins(sizes: np.ndarray, appraisal: Appraisal) -> Iterator[tuple[str, np.ndarray]]:
    bins = CURVE_BINS if appraisal.is_regression else BINS
    for name, (least, most) in {**bins, "all": (0.0, 1e9)}.items():
        mine = (sizes > least) & (sizes <= most)
        if mine.any():
            yield name, mine


def _percent(values: np.ndarray) -> str:
    return f"{100 * np.nanmean(values):.1f}" if np.isfinite(values).any() else "-"


if __name__ == "__main__":
    typer.run(expected)
