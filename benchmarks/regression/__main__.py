"""`python -m benchmarks.regression linear | sinusoid | real | curves`: each trains, measures and writes its table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.page import put, table
from benchmarks.regression import alone
from benchmarks.regression import real as on_real
from benchmarks.regression.runs import cpu_s, trained
from benchmarks.regression.sets import SETS
from benchmarks.regression.synthetic import linear_score, sinusoid_scores
from models.checkpoint import load
from models.data.regressions import LinearTasks
from models.training.appraise import ZOO
from models.training.evaluate import hardware
from models.training.ledger import append
from models.training.linear import LEARNED
from models.training.linear import linear as linear_run
from models.training.sinusoid import WAYS
from models.training.sinusoid import sinusoid as sinusoid_run
from models.training.train import Run

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Results = Annotated[Path, typer.Option(help="The page of the tables.")]
Out = Annotated[Path, typer.Option(help="Where the runs are; those that are finished are not made again.")]
Share = Annotated[float, typer.Option(help="Of each recipe's steps; unless it is 1, nothing is written.")]
Cache = Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of public data sets.")]
PAGE, RUNS, CACHE = Path("docs/results.md"), Path("runs/regression"), Path("~/.cache/kshot").expanduser()
INNER_STEPS, NOISE = (1, 5, 10), 0.3
WIDTHS, LINEAR_SHOTS = (8, 5), (5, 10, 20)
NOISY, CLEAN = ("mixture", "alpaca"), ("alpaca", "alpaca-3", "maml", "meta-sgd", "maml-10", "meta-sgd-10")
PUBLISHED = {"maml": "0.67", "meta-sgd": "0.31"}


@app.command()
def sinusoid(
    only: Annotated[list[str] | None, typer.Option("--method", help="Only this one; nothing is written.")] = None,
    results: Results = PAGE,
    out: Out = RUNS,
    share: Share = 1.0,
) -> None:
    """Sinusoids, 5 and 10 shots, without noise by every method and with noise against the best predictor there is."""
    noisy = [row for method in NOISY if method in (only or NOISY) for row in _noisy_rows(method, out, share)]
    clean = [row for method in CLEAN if method in (only or CLEAN) for row in _clean_rows(method, out, share)]
    folders = [*(out / f"noisy-{method}" for method in NOISY), *(out / f"clean-{method}" for method in CLEAN)]
    told = (
        "Squared error on 1000 new tasks, 100 queries each, ± 95% interval over tasks; one learner a method, trained "
        "on 5 to 10 shots, alpaca-3 on 3 to 10. The network of MAML and Meta-SGD is that of their papers, with one "
        "inner step in training; those with -10 were trained on ten, all of them judged, and Meta-SGD's gradients held "
        f"to a length of {WAYS['meta-sgd-10'].head['rule']['max_norm']:g}. Meta-SGD's rates were learned for one step: "
        "repeated, they diverge, which is shown and not mended. Published, at 10 shots: of a reimplementation by "
        "others (63days/Meta-SGD on GitHub). Settings were chosen on tasks of another seed. "
        f"All training of this section took {_minutes(folders)}."
    )
    text = f"{told}\n\n{table(CLEAN_HEAD, clean)}\n\nNoise {NOISE} on support and queries; Bayes by quadrature, on the "
    text += "same tasks. Of the curve: without the noise of the queries, which no method can foresee.\n\n"
    shown = results if share == 1 and not only else None
    _show(shown, "regression-sinusoid", text + table(NOISY_HEAD, noisy))


COST_HEAD = ("steps x tasks of training", "CPU-seconds")
CLEAN_HEAD = ("method", "inner steps", "5 shots", "10 shots", "published, 10 shots", *COST_HEAD)
NOISY_HEAD = (
    *("method", "shots", "squared error", "above Bayes", "of the curve, above Bayes", "inside the 90% interval"),
    *COST_HEAD,
)


def _noisy_rows(method: str, out: Path, share: float) -> Iterator[list[str]]:
    run = sinusoid_run(Path(), method, NOISE, num_steps=_steps(method, share))
    learner = trained(run, out / f"noisy-{method}")
    for shots in (5, 10):
        score = sinusoid_scores(learner, shots, NOISE)[0]
        judged = [score.error(), score.excess(), score.excess(NOISE**2), score.coverage()]
        yield [method, str(shots), *judged, _length(method, run), f"{cpu_s(out / f'noisy-{method}'):.0f}"]


def _clean_rows(method: str, out: Path, share: float) -> Iterator[list[str]]:
    run = sinusoid_run(Path(), method, num_steps=_steps(method, share))
    learner = trained(run, out / f"clean-{method}")
    closed = WAYS[method].head["name"] == "alpaca"
    inner = (1,) if closed else INNER_STEPS
    each = zip(*(sinusoid_scores(learner, shots, 0.0, inner) for shots in (5, 10)), strict=True)
    for steps, (five, ten) in zip(inner, each, strict=True):
        named = "closed form" if closed else str(steps)
        paper = PUBLISHED.get(method, "") if steps == 1 else ""
        cost = f"{cpu_s(out / f'clean-{method}'):.0f}"
        yield [method, named, five.error(), ten.error(), paper, _length(method, run), cost]


def _length(method: str, run: Run) -> str:
    return f"{run.num_steps} x {WAYS[method].num_tasks}"


def _steps(method: str, share: float) -> int:
    return max(1, round(share * WAYS[method].num_steps))


@app.command()
def linear(results: Results = PAGE, out: Out = RUNS, share: Share = 1.0) -> None:
    """Linear maps: features F and head H, each learned or frozen at random; error above the Bayes error."""
    folders = [out / f"linear-{learned}-{width}" for width in WIDTHS for learned in LEARNED]
    rows = [_linear_row(width, learned, out, share) for width in WIDTHS for learned in LEARNED]
    shots = [f"{shots} shots" for shots in LINEAR_SHOTS]
    told = (
        "8 inputs, 4 directions in which tasks differ, noise 0.5; 1000 new tasks, 100 queries each. Squared error "
        "above the Bayes error of the same tasks, in per cent of it, ± 95% interval. Behind F: above the best error "
        "of any predictor that sees the inputs through that frozen F alone (importance sampling of the posterior), "
        "the bound of the column where only H is learned: a random F of 5 features hides 3 directions of the inputs, "
        "and no head can bring them back; one of 8 hides nothing, so that both bounds are the same. With a frozen "
        "random H no bound is known. `kshot train linear` says more. "
        f"All training of this section took {_minutes(folders)}."
    )
    head = ["features", "learned", *shots, *(f"behind F, {each}" for each in shots), "steps of training", "CPU-seconds"]
    _show(results if share == 1 else None, "regression-linear", f"{told}\n\n{table(head, rows)}")


def _linear_row(width: int, learned: str, out: Path, share: float) -> list[str]:
    run, folder = linear_run(Path(), learned, width), out / f"linear-{learned}-{width}"
    steps = max(1, round(share * run.num_steps))
    learner = trained(linear_run(Path(), learned, width, steps), folder)
    scores = [linear_score(learner, LinearTasks(), shots) for shots in LINEAR_SHOTS]
    behind = [
        linear_score(learner, LinearTasks(), shots, behind=True) if learned == "head" else None
        for shots in LINEAR_SHOTS
    ]
    shown = [score.excess() if score else "" for score in (*scores, *behind)]
    return [str(width), learned, *shown, str(steps if learned != "neither" else 0), f"{cpu_s(folder):.0f}"]


def _minutes(folders: list[Path]) -> str:
    return f"{sum(map(cpu_s, folders)) / 60:.1f} minutes of CPU"


@app.command()
def real(
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set; nothing is written.")] = None,
    results: Results = PAGE,
    out: Out = RUNS,
    cache: Cache = CACHE,
) -> None:
    """Real sets of many small tasks, five folds over tasks, against pooled, per-task and linear mixed models."""
    torch.set_num_threads(1)
    sets = [on_real.kept(cache, name, out / "real") for name in only or SETS]
    _show(None if only else results, "regression-real", on_real.text(sets))


@app.command()
def curves(results: Results = PAGE, cache: Cache = CACHE) -> None:
    """Real curves, each task by itself: the shipped model beside a straight line and a Gaussian process."""
    torch.set_num_threads(1)
    model = load(ZOO / "curves")
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    entry = f"\n## curves, real sets, {when}\n\n- command: `python -m benchmarks.regression curves`, {hardware()}\n"
    append(results, f"{entry}- digest: `{model.digest}`\n- read: {', '.join(alone.NAMES)}\n")  # whatever comes out
    _show(results, "regression-curves", alone.text(cache, model.learner))


def _show(page: Path | None, name: str, text: str) -> None:
    command = f"python -m benchmarks.regression {name.removeprefix('regression-')}"
    if page:
        put(page, name, f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}.\n\n{text}")
    print(text, flush=True)


if __name__ == "__main__":
    app()
