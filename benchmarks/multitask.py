"""Tasks learned together beside each by itself, on equal networks: `python -m benchmarks.multitask`.

A run that is finished is kept and not made again.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import torch
import typer

from benchmarks.page import command, put, table
from benchmarks.pipeline import ABOUT as ABOUT_PIPELINE
from benchmarks.pipeline import pipeline_table
from benchmarks.rows import published
from models import zoo
from models.card import digest
from models.checkpoint import Checkpoint, load
from models.data.omniglot import Omniglot, load_omniglot
from models.data.shared import SharedRows, drawings, schools
from models.training.compare import compared, folder_of
from models.training.evaluate import hardware
from models.training.glyphs import TRAINED
from models.training.ledger import append
from models.training.multitask import DRAWN, FRAME, PUPILS, Shape, joint_run
from models.training.objectives.joint import Joint
from models.training.pipeline import applied
from models.training.pipeline import pipeline as pipeline_recipe
from models.training.task_figures import figures_of
from models.training.train import Run, rate_at
from models.training.weighting import KINDS

RUNS, PAGE, CACHE = Path("runs/multitask"), Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
STEPS, ROWS = 800, 128  # of what is learned together, and of an attribute by itself
ALONE_STEPS, ALONE_ROWS = 200, 64  # of an alphabet by itself: three times as many passes over its drawings
FEW = 3  # drawers
TEST_TASKS = 100  # of each alphabet

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Out = Annotated[Path, typer.Option(help="Where the runs are.")]
Results = Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")]
Cache = Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of public data sets.")]


@dataclass(frozen=True)
class Result:
    """What a run made of the test rows of its tasks, what it cost, and the weights of its losses at the end."""

    figures: Mapping[str, float]
    cpu_s: float
    weights: Mapping[str, float]


@app.command("drawings")
def of_drawings(
    out: Out = RUNS,
    results: Results = PAGE,
    cache: Cache = CACHE,
    steps: int = STEPS,
    trained: Annotated[list[int], typer.Option("--drawers", help="Of each character.")] = [14, FEW],  # noqa: B006
) -> None:
    """Omniglot's first 25 alphabets and attributes of the drawings, from 14 drawers and from few of them."""
    background = load_omniglot(cache, "background").only(TRAINED)
    read = "the last three drawers of Omniglot background 0-24; Omniglot evaluation by the model that ships"
    parts, now = [], _entered(results, "multitask-drawings", f"{read} (`{_ships().digest}`)")
    for drawers in trained:
        shared = drawings(background, FRAME, drawers)
        folder = out / f"drawings-{drawers}"
        kinds = KINDS if drawers > FEW else KINDS[1:2]
        together = {kind: _together(shared, DRAWN, kind, folder, steps) for kind in kinds}
        alone = {name: _alone(shared, DRAWN, name, folder, _alone_steps(shared, name, steps)) for name in shared.names}
        parts.append(f"{drawers} drawers of each character:\n\n{_table(shared, together, alone)}")
    parts.append(_shipped(background, cache))
    _write(results, "multitask-drawings", now, ABOUT_DRAWINGS, parts)


@app.command("schools")
def of_schools(out: Out = RUNS, results: Results = PAGE, cache: Cache = CACHE, steps: int = STEPS) -> None:
    """Exam scores of 65 schools: R2 of all pupils kept back, beside each school's own mean."""
    parts, now = [], _entered(results, "multitask-schools", "a quarter of the pupils of mtl_exam")
    for pupils in (None, 5):
        shared, folder = schools(cache, pupils), out / f"schools-{pupils or 'all'}"
        together = {kind: _together(shared, PUPILS, kind, folder, steps) for kind in KINDS[:2]}
        alone = {name: _alone(shared, PUPILS, name, folder, (ALONE_STEPS, ALONE_ROWS)) for name in shared.names}
        rows = [[f"together, {kind}", _all(each.figures), f"{each.cpu_s:.0f}"] for kind, each in together.items()]
        both = {name: each.figures[name] for name, each in alone.items() if name in each.figures}
        rows.append(["each by itself", _all(both), f"{sum(each.cpu_s for each in alone.values()):.0f}"])
        head = [f"{pupils or 'all'} pupils a school", "R2, mean over schools", "CPU-s"]
        parts.append(table(head, rows))
    _write(results, "multitask-schools", now, ABOUT_SCHOOLS, parts)


@app.command()
def pipeline(
    out: Out = RUNS,
    results: Results = PAGE,
    cache: Cache = CACHE,
    steps: int = 800,
    seeds: Annotated[int, typer.Option(min=2, help="How many of each row.")] = 5,
) -> None:
    """Initialise, pre-train, meta-learn, apply: each part alone and both, at as much CPU time."""
    runs = [pipeline_recipe(cache, num_steps=steps, seed=seed) for seed in range(seeds)]
    rows = [compared(run, "both", out / f"pipeline-{seed}") for seed, run in enumerate(runs)]
    digests = {
        f"{name}-{seed}": digest(_kept_model(each, folder_of(out / f"pipeline-{seed}", name, run)))
        for seed, run in enumerate(runs)
        for name, each in {**run.beside, "both": run}.items()
    }
    read = "Omniglot evaluation (659 characters, 20 alphabets), by every row and seed"
    now = _entered(results, "pipeline", read, digests)
    test = applied(load_omniglot(cache, "evaluation"), num_tasks=TEST_TASKS)
    _write(results, "pipeline", now, ABOUT_PIPELINE, [pipeline_table(runs, rows, test)])


def _kept_model(run: Run, folder: Path) -> Path:
    """Published where it was trained, without validating it once more."""
    return published(replace(run, validate=None), folder)


def _ships() -> Checkpoint:
    return load(Path(next(iter(zoo.__path__))) / "multitask")


def _shipped(background: Omniglot, cache: Path) -> str:
    """The model that ships: its own tasks, and new ones of alphabets that were in nothing."""
    found, shared = _ships(), drawings(background, FRAME)
    own = Result(figures_of(found.learner, found.tasks, shared, "test"), 0.0, {})
    new = applied(load_omniglot(cache, "evaluation"), num_tasks=TEST_TASKS)
    with torch.inference_mode():
        rows = [[name, f"{100 * accuracy:.1f}"] for name, accuracy in new(found.learner).items()]
    told = f"The model that ships, `multitask` (`{found.digest[:8]}`, weights by uncertainty, 14 drawers):"
    tasks = table(["its own tasks", "accuracy, %", *shared.numbers], [_row("", own.figures, 0.0, shared)[:-1]])
    return f"{told}\n\n{tasks}\n\n{table(['new tasks within an evaluation alphabet', 'accuracy, %'], rows)}"


ABOUT_DRAWINGS = (
    "25 alphabets (which character?) and four numbers that follow from a drawing, on one Conv-4 with a layer a task, "
    f"{STEPS} steps of {ROWS} drawings; beside as many networks of the same size, each trained on one task alone: an "
    f"alphabet's with {ALONE_STEPS} steps of {ALONE_ROWS} of its own drawings, three times as many passes, a number's "
    "with the steps of the joint one. Mean accuracy over alphabets, R2 of numbers, on three drawers in no training. "
    "After a first read of these figures the noises of `uncertainty` were let learn ten times as fast: all rows of it "
    "are of since then."
)
ABOUT_SCHOOLS = (
    "Exam scores of 65 schools' pupils (mtl_exam, GPL: measured, not shipped): a hidden layer of 32, a layer a school, "
    "beside a network a school. UPGrad is left out: with 65 losses a step of it costs a hundred times as much. R2 "
    "beside the mean of what the school was trained on."
)


def _together(shared: SharedRows, shape: Shape, kind: str, folder: Path, steps: int) -> Result:
    return _kept(folder / kind, lambda: joint_run(shared, shape, {}, kind, None, steps, ROWS), shared)


def _alone(shared: SharedRows, shape: Shape, name: str, folder: Path, size: tuple[int, int]) -> Result:
    make = lambda: joint_run(shared, shape, {}, "fixed", name, *size)  # noqa: E731
    return _kept(folder / f"alone-{name}", make, shared.only(name))


def _alone_steps(shared: SharedRows, name: str, steps: int) -> tuple[int, int]:
    return (ALONE_STEPS, ALONE_ROWS) if name in shared.labels else (steps, ROWS)


def _kept(folder: Path, make: Callable[[], Run], shared: SharedRows) -> Result:
    """The result of a run, or what was kept of it."""
    path = folder / "result.json"
    if path.is_file():
        return Result(**json.loads(path.read_text("utf-8")))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    began, run = time.process_time(), make()
    assert isinstance(run.objective, Joint)
    _trained(run, run.objective)
    spent = time.process_time() - began
    folder.mkdir(parents=True, exist_ok=True)
    found = figures_of(run.learner, run.objective.tasks(), shared, "test")
    result = Result(found, spent, run.objective.weighting.shown())
    path.write_text(json.dumps(asdict(result)), "utf-8")
    return result


def _trained(run: Run, objective: Joint) -> None:
    """To the end, as `train` does, without the files of a run: dozens of them last seconds each."""
    leaves = [leaf for leaf in (*run.learner.parameters(), *objective.parameters()) if leaf.requires_grad]
    optimiser = torch.optim.AdamW(leaves, run.rate, weight_decay=run.weight_decay)
    for step in range(run.num_steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(run, step)
        optimiser.zero_grad()
        objective(run.learner.train(), run.batches(step))
        torch.nn.utils.clip_grad_norm_(leaves, run.max_norm)
        optimiser.step()
    assert run.finish
    run.finish(run.learner)


def _table(shared: SharedRows, together: Mapping[str, Result], alone: Mapping[str, Result]) -> str:
    alphabets = [*shared.labels]
    rows = [_row(f"together, {kind}", each.figures, each.cpu_s, shared) for kind, each in together.items()]
    single = {name: each.figures[name] for name, each in alone.items()}
    rows.append(_row("each by itself", single, sum(each.cpu_s for each in alone.values()), shared))
    parts = [table(["", "accuracy, %", *shared.numbers, "CPU-s"], rows)]
    for kind, each in together.items():
        gains = [100 * (each.figures[name] - single[name]) for name in alphabets]
        half = 1.96 * stdev(gains) / len(gains) ** 0.5
        better = sum(gain > 0 for gain in gains)
        of_alphabets = [each.weights[name] for name in alphabets]
        told = ", ".join(f"{name} {each.weights[name]:.2f}" for name in shared.numbers)
        parts.append(
            f"{kind}: {fmean(gains):+.1f} ± {half:.1f} points over alphabets, {better} of {len(gains)} better; lambda: "
            f"alphabets {min(of_alphabets):.2f} to {max(of_alphabets):.2f}, {told}."
        )
    return "\n\n".join(parts)


def _row(name: str, figures: Mapping[str, float], cpu_s: float, shared: SharedRows) -> list[str]:
    accuracy = fmean(figures[task] for task in shared.labels)
    return [name, f"{100 * accuracy:.1f}", *(f"{figures[task]:.3f}" for task in shared.numbers), f"{cpu_s:.0f}"]


def _all(figures: Mapping[str, float]) -> str:
    """Mean and half of its 95% interval over tasks."""
    values = [*figures.values()]
    return f"{fmean(values):.3f} ± {1.96 * stdev(values) / len(values) ** 0.5:.3f}"


def _entered(page: Path, name: str, read: str, digests: Mapping[str, str] | None = None) -> str:
    """The read in the ledger, before it; when that was. What was trained for the comparison alone may not be kept."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    kept = ", ".join(f"{own} `{each[:12]}`" for own, each in (digests or {}).items())
    told = f"- command: `{command('multitask')}`\n- digest: {kept or 'none, of runs that are not kept'}\n- read: {read}"
    append(page, f"\n## {name}, {now}\n\n{told}\n")
    return now


def _write(page: Path, name: str, now: str, about: str, parts: list[str]) -> None:
    """The table into its place, and into the ledger behind the read."""
    put(page, name, "\n\n".join([f"`{command('multitask')}`, {now}, {hardware()}. {about}", *parts]))
    append(page, "\n" + "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    app()
