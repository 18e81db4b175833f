"""The command `python -m benchmarks.universal`: one model of three modalities beside three of one, on unseen tasks.

What is trained and measured is kept in the folder `--out`: a second run goes on where the first was, and no test split
is read twice for the same model.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.page import command, put, table
from models.checkpoint import load
from models.data.streams import STREAMS
from models.inputs.mixed import MixedInput
from models.training.evaluate import STREAMS_READ, hardware
from models.training.figures import Figure
from models.training.measure_streams import figures
from models.training.objectives.blended import Blended
from models.training.publish import publish
from models.training.train import train
from models.training.universal import MODALITIES, held_out, universal

PAGE, CACHE = Path("docs/results.md"), Path("~/.cache/kshot").expanduser()
SHARES = {"all tasks": 1.0, "10% of the tasks": 0.1}
ABOUT = """Accuracy in %, of regressions 100 R2, means with 95% intervals over tasks drawn from alphabets, domains and \
tables that are in no training. `universal` is trained on all streams at once; each twin is the same network trained \
on the streams of one modality (image; text; vector: tables of classes and of numbers), for as many steps and on the \
same episodes. Both are asked the same tasks; the ± of a difference is as if they were not, and so too wide. One \
training of each: how much another seed would move them is in no ±. With 10% of the tasks: of the alphabets, of the \
intents, of the tables (one of each kind at least)."""


@dataclass(frozen=True)
class Trained:
    """A model of the comparison: its figures, its weights of the losses, what its training cost."""

    digest: str
    figures: dict[str, Figure]
    lambdas: dict[str, float]
    seconds: float


def trained(name: str, arguments: Mapping[str, Any], out: Path, data: Path, page: Path) -> Trained:
    """Trained and measured once, then as it was kept."""
    folder = out / name
    if (folder / "row.json").is_file():
        kept = json.loads((folder / "row.json").read_text("utf-8"))
        return Trained(**{**kept, "figures": {key: Figure(**each) for key, each in kept["figures"].items()}})
    run, began = universal(data, **arguments), time.process_time()
    train(run, folder)
    seconds = time.process_time() - began
    digest = publish(run, folder / "models" / "universal")
    streams = MODALITIES[arguments["only"]] if "only" in arguments else STREAMS
    with page.open("a", encoding="utf-8") as ledger:  # before the read
        ledger.write(_entry(name, digest, streams))
    checkpoint = load(folder / "models" / "universal")
    assert isinstance(checkpoint.inputs, MixedInput) and isinstance(run.objective, Blended)
    found = figures(checkpoint.learner, held_out(data, streams, "test", checkpoint.inputs))
    row = Trained(digest, found, run.objective.weighting.shown(), seconds)
    (folder / "row.json").write_text(json.dumps(asdict(row)), "utf-8")
    return row


def tables(rows: Mapping[str, Mapping[str, Trained]]) -> str:
    """By share of the tasks: each kind of task, universal beside its twin; then the means of each stream."""
    parts = []
    for share, found in rows.items():
        whole = found["universal"]
        twins = {
            name: each for part, twin in found.items() if part != "universal" for name, each in twin.figures.items()
        }
        lines = [_line(name, [whole.figures[name]], [twins[name]]) for name in whole.figures]
        for stream in STREAMS:
            own = [name for name in whole.figures if name.startswith(f"{stream}:")]
            lines.append(_line(f"**{stream}: mean**", [whole.figures[n] for n in own], [twins[n] for n in own]))
        parts.append(f"### {share}\n\n" + table(["task", "`universal`", "its twin", "difference"], lines))
        told = ", ".join(f"{name} {weight:.3g}" for name, weight in whole.lambdas.items())
        cost = ", ".join(f"{name} {each.seconds:.0f} CPU-s" for name, each in found.items())
        parts.append(f"lambda: {told}. Training: {cost}. Digest of `universal`: `{whole.digest[:12]}`.")
    return "\n\n".join(parts)


def _line(name: str, ours: Sequence[Figure], theirs: Sequence[Figure]) -> list[str]:
    means = [sum(figure.value for figure in each) / len(each) for each in (ours, theirs)]
    halves = [sum(figure.half**2 for figure in each) ** 0.5 / len(each) for each in (ours, theirs)]
    shown = [f"{mean:.1f} ± {half:.1f}" for mean, half in zip(means, halves, strict=True)]
    return [name, *shown, f"{means[0] - means[1]:+.1f} ± {sum(half**2 for half in halves) ** 0.5:.1f}"]


def _entry(name: str, digest: str, streams: Sequence[str]) -> str:
    return (
        f"\n## universal: {name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        f"- command: `{command('universal')}`, {hardware()}\n"
        f"- digest: `{digest}`\n"
        f"- read: {'; '.join(STREAMS_READ[each] for each in streams)}\n"
        f"- figures: in the table of `{command('universal')}`\n"
    )


def main(
    out: Annotated[Path, typer.Option(help="Where models and figures are kept.")] = Path("runs/universal-benchmark"),
    steps: Annotated[int | None, typer.Option(help="Of training, if not as many as the recipe takes.")] = None,
    results: Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """Train the model and its twins, on all tasks and on a tenth of them, and measure them on tasks of none."""
    torch.set_num_threads(1)
    sized: dict[str, Any] = {} if steps is None else {"num_steps": steps}
    rows: dict[str, dict[str, Trained]] = {}
    for title, share in SHARES.items():
        shared = sized if share == 1 else {**sized, "share": share}
        for only in ("", *MODALITIES):
            name = f"{only or 'universal'}{'' if share == 1 else '-tenth'}"
            arguments = {**shared, **({"only": only} if only else {})}
            rows.setdefault(title, {})[only or "universal"] = trained(name, arguments, out, cache, results)
            typer.echo(f"{name}: done")
    told = f"`{command('universal')}`, one thread of {hardware()}; when each model was measured is in the ledger."
    put(results, "comparison-universal", "\n\n".join([told, ABOUT, tables(rows)]))


if __name__ == "__main__":
    typer.run(main)
