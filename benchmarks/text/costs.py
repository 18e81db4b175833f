"""What texts cost through HTTP: `python -m benchmarks.accuracy text-costs`, one service, all its cores."""

import os
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.page import command, put, table
from benchmarks.served import serving
from benchmarks.text.command import CACHE, PAGE, RUNS, SETFIT, Bench
from benchmarks.text.sets import TextSet, clinc150
from models import zoo
from models.checkpoint import load
from models.inputs.text import TextInput
from models.training.evaluate import hardware
from service.client import Client

SHOTS, ADAPTED, ASKED = 5, 5, 200  # of each intent; tasks; single sentences


def text_costs(
    out: Annotated[Path, typer.Option(help="Where the finished cells of `text` are.")] = RUNS,
    results: Annotated[Path, typer.Option(help="The page of the table.")] = PAGE,
    cache: Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of data sets.")] = CACHE,
) -> None:
    """Adapt to 750 texts in 150 intents, ask about single sentences, all of them new; beside the bare encoder."""
    content, load_before = clinc150(cache, split="val"), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        database = f"sqlite+aiosqlite:///{folder}/kshot.db"
        kshot = stack.enter_context(Client(stack.enter_context(serving(Path(folder), database, num_threads=None)).url))
        adapted = np.array([_adapting_s(kshot, content, number) for number in range(ADAPTED)])
        asked = _asking_ms(kshot, content)
    bare = _encoding_ms(content)
    rows = [
        ["750 cold texts in 150 intents adapted, through HTTP, s", _spread(adapted)],
        ["one sentence asked, through HTTP, ms", _spread(asked)],
        ["the same by the bare encoder, ms", _spread(bare)],
        ["the one over the other, medians", f"{np.median(asked) / np.median(bare):.2f}"],
        *_setfit(Bench(cache, out)),
    ]
    made = (
        f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {hardware()}, at a load of {load_before:.1f} before."
    )
    put(results, "text-costs", f"{made} Medians, and the fastest and slowest.\n\n{table(['cost of texts', ''], rows)}")


def _adapting_s(kshot: Client, content: TextSet, number: int) -> float:
    """Seconds of a request with other texts than any before."""
    texts: list[str] = []
    labels: list[str] = []
    for label, own in content.shown.items():
        texts += own[number * SHOTS : (number + 1) * SHOTS]
        labels += [label] * SHOTS
    began = time.perf_counter()
    kshot.adapt("text", texts, labels=labels)
    return time.perf_counter() - began


def _asking_ms(kshot: Client, content: TextSet) -> np.ndarray:
    """Milliseconds of each request, of a sentence never asked before, to a task of ten intents."""
    shown = {label: own[-SHOTS:] for label, own in list(content.shown.items())[:10]}
    pairs = [(text, label) for label, own in shown.items() for text in own]
    task = kshot.adapt("text", [text for text, _ in pairs], labels=[label for _, label in pairs])
    spent = []
    for text in content.queries[:ASKED]:
        began = time.perf_counter()
        kshot.predict(task, [text])
        spent.append(1000 * (time.perf_counter() - began))
    return np.array(spent[ASKED // 10 :])


def _encoding_ms(content: TextSet) -> np.ndarray:
    """Milliseconds of the tokenizer and the encoder alone, each sentence by itself, as it is served."""
    checkpoint, read, spent = load(Path(next(iter(zoo.__path__))) / "text"), TextInput(), []
    encoder = checkpoint.learner.encoder.to(torch.bfloat16)
    torch.set_num_threads(os.cpu_count() or 1)
    with torch.inference_mode():
        for text in content.queries[:ASKED]:
            began = time.perf_counter()
            row = read(text)
            encoder(torch.from_numpy(row[row != 0])[None])
            spent.append(1000 * (time.perf_counter() - began))
    return np.array(spent[ASKED // 10 :])


def _setfit(bench: Bench) -> list[list[str]]:
    """SetFit on as many texts, if `text --shots 5` has been run with it; no ratio, as the clocks differ."""
    found = [cell for cell in bench.kept() if (cell.method, cell.set, cell.shots) == (SETFIT, "clinc150", SHOTS)]
    name = f"{SETFIT}, on 750 texts in 150 intents, one thread, with its 4,500 answers, CPU-s"
    return [[name, f"{cell.cpu_s:.0f}"] for cell in found[-1:]]


def _spread(values: np.ndarray) -> str:
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"
