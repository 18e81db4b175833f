"""The command `python -m benchmarks.universal`: one model of three modalities beside three of one, on unseen tasks.

What is trained and measured is kept in the folder `--out`: a second run goes on where the first was, and no test split
is read twice for the same model.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import typer

from benchmarks.page import command, put, table
from models.checkpoint import load
from models.data.streams import STREAMS
from models.inputs.mixed import MixedInput
from models.training.evaluate import STREAMS_READ, hardware
from models.training.ledger import append
from models.training.measure_streams import shares
from models.training.objectives.blended import Blended
from models.training.publish import publish
from models.training.train import train
from models.training.universal import MODALITIES, held_out, universal

PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
SHARES = {"all tasks": 1.0, "10% of the tasks": 0.1}
TWINS: dict[str, dict[str, Any]] = {"image": {"rate": 3e-3}}  # found by validation: other arguments than the usual
ROW, FIGURES = "row.json", "shares.npz"
ABOUT = """Accuracy in %, of regressions 100 R2, over tasks drawn from alphabets, domains and tables that are in no \
training. `universal` is trained on all streams at once; each twin is the same network trained on the streams of one \
modality (image; text; vector: tables of classes and of numbers), for as many steps, on the same episodes, from the \
same seed; that of images at three times the rate, which suits it better in validation. All are asked the same tasks. \
Means over seeds; differences are of pairs, a seed and a task each, with the standard error over both: of the means of \
seeds, and of the means of tasks. With 10% of the tasks: of the alphabets, of the intents, of the tables (one of each \
kind at least), other ones with each seed."""

Grid: TypeAlias = npt.NDArray[np.floating]  # [seeds, tasks]: what a model of each seed came to on each task


@dataclass(frozen=True)
class Trained:
    """A model of the comparison: its weights of the losses, what its training cost, and all arguments of its recipe."""

    digest: str
    lambdas: dict[str, float]
    seconds: float
    arguments: dict[str, Any]


def trained(folder: Path, arguments: Mapping[str, Any], data: Path) -> Trained:
    """Trained once, then as it was kept. Raises typer.BadParameter where another one was kept there."""
    asked = whole(arguments)
    if (folder / ROW).is_file():
        row = json.loads((folder / ROW).read_text("utf-8"))
        if row.get("arguments") != asked:
            raise typer.BadParameter(f"{folder} holds a model of other arguments; work elsewhere with --out")
        return Trained(**row)
    run, began = universal(data, **arguments), time.process_time()
    train(replace(run, validate=None), folder)
    seconds = time.process_time() - began
    assert isinstance(run.objective, Blended)
    row = Trained(publish(run, folder / "models" / "universal"), run.objective.weighting.shown(), seconds, asked)
    (folder / ROW).write_text(json.dumps(asdict(row)), "utf-8")
    return row


def whole(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the recipe as it is now, but for its data."""
    bound = signature(universal).bind(None, **given)
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if name != "data"}


def measured(folder: Path, only: str, data: Path) -> dict[str, Grid]:
    """What each test task came to, read once."""
    if not (folder / FIGURES).is_file():
        found = load(folder / "models" / "universal")
        assert isinstance(found.inputs, MixedInput)
        read = shares(found.learner, held_out(data, MODALITIES.get(only, STREAMS), "test", found.inputs))
        np.savez(folder / FIGURES, **read)  # type: ignore[arg-type]  # names of arrays, none of them `allow_pickle`
    with np.load(folder / FIGURES) as kept:
        return {name: kept[name] for name in kept.files}


def tables(rows: Mapping[str, Mapping[str, Sequence[Trained]]], grids: Mapping[str, Mapping[str, Grid]]) -> str:
    """By share of the tasks: each kind of task, universal beside its twin; then the means of each stream."""
    parts = []
    for share, found in rows.items():
        ours, theirs = grids[f"{share}, universal"], grids[f"{share}, twins"]
        lines = [_line(name, [(ours[name], theirs[name])]) for name in ours]
        for stream in STREAMS:
            own = [(ours[name], theirs[name]) for name in ours if name.startswith(f"{stream}:")]
            lines.append(_line(f"**{stream}: mean**", own))
        parts.append(f"### {share}\n\n" + table(["task", "`universal`", "its twin", "difference"], lines))
        whole = found["universal"]
        told = ", ".join(f"{name} {weight:.3g}" for name, weight in whole[0].lambdas.items())
        cost = ", ".join(f"{n} {np.mean([e.seconds for e in each]):.0f} CPU-s" for n, each in found.items())
        digests = ", ".join(f"`{each.digest[:12]}`" for each in whole)
        parts.append(f"lambda: {told}. Training, a seed: {cost}. Digests of `universal`: {digests}.")
    return "\n\n".join(parts)


def error(differences: Sequence[Grid]) -> float:
    """The standard error of the mean over these kinds of tasks: of the means of seeds, and of the means of tasks."""
    seeds = np.mean([each.mean(1) for each in differences], 0)
    tasks = [each.mean(0) for each in differences]
    of_tasks = sum(each.var(ddof=1) / len(each) for each in tasks) / len(tasks) ** 2
    return float((seeds.var(ddof=1) / len(seeds) + of_tasks) ** 0.5)


def _line(name: str, pairs: Sequence[tuple[Grid, Grid]]) -> list[str]:
    means = [100 * float(np.mean([each[side].mean() for each in pairs])) for side in (0, 1)]
    off = 100 * error([ours - theirs for ours, theirs in pairs])
    return [name, *(f"{mean:.1f}" for mean in means), f"{means[0] - means[1]:+.2f} ± {off:.2f}"]


def _entry(digests: Mapping[str, str]) -> str:
    told = ", ".join(f"{name} `{digest[:12]}`" for name, digest in digests.items())
    return (
        f"\n## universal, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        f"- command: `{command('universal')}`, {hardware()}\n"
        f"- digests: {told}\n"
        f"- read: {'; '.join(STREAMS_READ[each] for each in STREAMS)}\n"
        f"- figures: in the table of `{command('universal')}`\n"
    )


def _stacked(found: Sequence[Mapping[str, Grid]]) -> dict[str, Grid]:
    """Of models of one kind, a seed each."""
    return {name: np.stack([each[name] for each in found]) for name in found[0]}


def main(
    out: Annotated[Path, typer.Option(help="Where models and figures are kept.")] = Path("runs/universal-benchmark"),
    steps: Annotated[int | None, typer.Option(help="Of training, if not as many as the recipe takes.")] = None,
    seeds: Annotated[int, typer.Option(min=2, help="How many of each model.")] = 5,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """Train the model and its twins, on all tasks and on a tenth of them, and measure them on tasks of none."""
    torch.set_num_threads(1)
    sized: dict[str, Any] = {} if steps is None else {"num_steps": steps}
    folders = {
        (title, only, seed): out / f"{only or 'universal'}{'' if share == 1 else '-tenth'}-{seed}"
        for seed in range(seeds)
        for title, share in SHARES.items()
        for only in ("", *MODALITIES)
    }
    rows: dict[str, dict[str, list[Trained]]] = {}
    kept: dict[str, str] = {}
    for (title, only, seed), folder in folders.items():
        asked = {**sized, "seed": seed, "share": SHARES[title], "only": only, **TWINS.get(only, {})}
        rows.setdefault(title, {}).setdefault(only or "universal", []).append(trained(folder, asked, cache))
        kept[folder.name] = rows[title][only or "universal"][-1].digest
        typer.echo(f"{folder.name}: trained")
    unread = {name: digest for name, digest in kept.items() if not (out / name / FIGURES).is_file()}
    if unread:
        append(results, _entry(unread))  # before the read
    found = {key: measured(folder, key[1], cache) for key, folder in folders.items()}
    grids: dict[str, dict[str, Grid]] = {}
    for title in SHARES:
        each = {only: _stacked([found[title, only, seed] for seed in range(seeds)]) for only in ("", *MODALITIES)}
        grids[f"{title}, universal"] = each.pop("")
        grids[f"{title}, twins"] = {name: grid for twin in each.values() for name, grid in twin.items()}
    told = (
        f"`{command('universal')}`, {seeds} seeds, one thread of {hardware()}; when it was measured is in the ledger."
    )
    put(results, "comparison-universal-seeds", "\n\n".join([told, ABOUT, tables(rows, grids)]))


if __name__ == "__main__":
    typer.run(main)
