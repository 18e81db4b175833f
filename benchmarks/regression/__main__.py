"""`python -m benchmarks.regression linear | sinusoid | real`: each trains, measures and writes its table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.page import put, table
from benchmarks.regression import real as on_real
from benchmarks.regression.sets import SETS
from benchmarks.regression.synthetic import linear_score, sinusoid_scores
from models.data.regressions import LinearTasks
from models.learner import Learner
from models.training.evaluate import hardware
from models.training.linear import LEARNED
from models.training.linear import linear as linear_run
from models.training.sinusoid import WAYS
from models.training.sinusoid import sinusoid as sinusoid_run
from models.training.train import Run, train

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Results = Annotated[Path, typer.Option(help="The page of the tables.")]
Out = Annotated[Path, typer.Option(help="Where the runs are; those that are finished are not made again.")]
Share = Annotated[float, typer.Option(help="Of each recipe's steps; unless it is 1, nothing is written.")]
Cache = Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of public data sets.")]
PAGE, RUNS, CACHE = Path("docs/results.md"), Path("runs/regression"), Path("~/.cache/kshot").expanduser()
INNER_STEPS, NOISE = (1, 5, 10), 0.3
WIDTHS, LINEAR_SHOTS = (8, 4), (5, 10, 20)
PUBLISHED = {"maml": "0.67 (63days/Meta-SGD)", "meta-sgd": "0.31 (63days/Meta-SGD)"}


@app.command()
def sinusoid(results: Results = PAGE, out: Out = RUNS, share: Share = 1.0) -> None:
    """Sinusoids, 5 and 10 shots, without noise by every method and with noise against the best predictor there is."""
    steps = _steps("alpaca", share / 3)  # enough to compare with noise
    learner = _trained(sinusoid_run(Path(), noise=NOISE, num_steps=steps), out / "noisy")
    noisy = []
    for shots in (5, 10):
        score = sinusoid_scores(learner, shots, NOISE)[0]
        noisy.append(["alpaca", str(shots), score.error(), score.excess(), score.coverage(), str(steps)])
    clean = [row for method in WAYS for row in _clean_rows(method, out, share)]
    head = ["method", "inner steps", "5 shots", "10 shots", "published, 10 shots", "steps of training"]
    noisy_head = ["method", "shots", "squared error", "above Bayes", "inside the 90% interval", "steps of training"]
    told = (
        "Squared error on 1000 new tasks, 100 queries each, ± 95% interval over tasks. One learner a row of methods, "
    )
    told += "trained on 5 to 10 shots, the gradient methods with one inner step, as in their papers; "
    told += "1500 steps are far fewer than those of what was published."
    text = f"{told}\n\n{table(head, clean)}\n\nNoise {NOISE} on support and queries; Bayes by quadrature.\n\n"
    _show(results if share == 1 else None, "regression-sinusoid", text + table(noisy_head, noisy))


def _clean_rows(method: str, out: Path, share: float) -> Iterator[list[str]]:
    run = sinusoid_run(Path(), method=method, num_steps=_steps(method, share))
    learner = _trained(run, out / f"clean-{method}")
    inner = INNER_STEPS if method != "alpaca" else (1,)
    each = zip(*(sinusoid_scores(learner, shots, 0.0, inner) for shots in (5, 10)), strict=True)
    for steps, (five, ten) in zip(inner, each, strict=True):
        named = str(steps) if method != "alpaca" else "closed form"
        paper = PUBLISHED.get(method, "") if steps == 1 else ""
        yield [method, named, five.error(), ten.error(), paper, str(run.num_steps)]


def _steps(method: str, share: float) -> int:
    return max(1, round(share * WAYS[method].num_steps))


@app.command()
def linear(results: Results = PAGE, out: Out = RUNS, share: Share = 1.0) -> None:
    """Linear maps: features F and head H, each learned or frozen at random; error above the Bayes error."""
    rows = []
    for width in WIDTHS:
        for learned in LEARNED:
            run = linear_run(Path(), learned, width, max(1, round(share * 500)))
            learner = _trained(run, out / f"linear-{learned}-{width}")
            scores = [linear_score(learner, LinearTasks(), shots) for shots in LINEAR_SHOTS]
            rows.append(
                [
                    str(width),
                    learned,
                    *(score.excess() for score in scores),
                    str(run.num_steps if learned != "neither" else 0),
                ]
            )
    shots = [f"{shots} shots" for shots in LINEAR_SHOTS]
    told = "8 inputs, 4 directions in which tasks differ, noise 0.5. Squared error above the Bayes error of the same "
    told += "1000 tasks, in per cent of it, ± 95% interval. `kshot train linear` says what the table means."
    text = table(["features", "learned", *shots, "steps of training"], rows)
    _show(results if share == 1 else None, "regression-linear", f"{told}\n\n{text}")


@app.command()
def real(
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set; nothing is written.")] = None,
    results: Results = PAGE,
    cache: Cache = CACHE,
) -> None:
    """Real sets of many small tasks, five folds over tasks, against pooled, per-task and linear mixed models."""
    torch.set_num_threads(1)
    sets: list[on_real.Errors] = []
    for name in only or SETS:
        sets.append(on_real.measured(cache, name))
        _show(None if only else results, "regression-real", on_real.text(sets))


def _trained(run: Run, folder: Path) -> Learner:
    """The trained learner; a run that was finished is not made again, one that was cut short goes on."""
    torch.set_num_threads(1)
    if any(leaf.requires_grad for leaf in run.learner.parameters()):
        train(run, folder)
    return run.learner.eval()


def _show(page: Path | None, name: str, text: str) -> None:
    command = f"python -m benchmarks.regression {name.removeprefix('regression-')}"
    if page:
        put(page, name, f"`{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, one thread of {hardware()}.\n\n{text}")
    print(text, flush=True)


if __name__ == "__main__":
    app()
