"""The comparison of tasks learned together with each by itself, on a few made-up schools."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import multitask
from benchmarks.pipeline import pipeline_table
from models.card import digest
from models.data.shared import drawings
from models.learner import Learner
from models.training.compare import Compared
from models.training.multitask import FRAME
from models.training.objectives.episodic import Metrics
from models.training.pipeline import SHARES, pipeline_run
from models.training.train import Run
from tests.models.training.tiny import omniglot


def write_exam(data: Path) -> None:
    """Three schools of 24 pupils each, whose score follows one of six numbers; and one of two pupils."""
    rng = np.random.default_rng(0)
    task = np.array([*np.arange(3).repeat(24), 3, 3], np.int32)
    inputs = rng.normal(size=(len(task), 6)).astype(np.float32)
    scores = inputs[:, 0] + 0.1 * rng.normal(size=len(task))
    (data / "mtl_exam").mkdir()
    np.savez(data / "mtl_exam" / "exam.npz", X=inputs, y=scores.astype(np.float32), task=task)


def test_schools_are_compared_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_exam(tmp_path)
    page = tmp_path / "results.md"
    page.write_text("# Results\n\n## The ledger\n")
    monkeypatch.setattr(multitask, "ALONE_STEPS", 2)
    for _ in range(2):
        multitask.of_schools(tmp_path / "out", page, tmp_path, steps=3)
    text = page.read_text()
    assert text.count("| together, uncertainty |") == text.count("| each by itself |") == 2 + 2 * 2  # page and ledger
    assert text.count("## multitask-schools") == 2  # each read is in the ledger
    kept = sorted(path.parent.name for path in (tmp_path / "out" / "schools-all").glob("*/result.json"))
    assert kept == ["alone-school-1", "alone-school-2", "alone-school-3", "alone-school-4", "fixed", "uncertainty"]


def test_the_ledger_names_every_model_that_the_pipeline_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, page = drawings(omniglot(8), FRAME), tmp_path / "results.md"
    page.write_text("# Results\n\n## The ledger\n")

    def recipe(data: Path, num_steps: int, seed: int) -> Run:
        made = {name: pipeline_run(shared, "x", num_steps, judge, part, seed) for name, part in SHARES.items()}
        return replace(made.pop("both"), beside=made)

    def judge(learner: Learner) -> Metrics:
        return {"within": 0.5}

    monkeypatch.setattr(multitask, "pipeline_recipe", recipe)
    monkeypatch.setattr(multitask, "load_omniglot", lambda cache, part: omniglot(8, 1))
    monkeypatch.setattr(multitask, "applied", lambda read, num_tasks: judge)
    multitask.pipeline(tmp_path / "out", page, tmp_path, steps=2, seeds=2)
    kept = {digest(card.parent)[:12] for card in tmp_path.glob("out/**/model.json")}
    assert len(kept) == 2 * len(SHARES)
    assert all(f"`{each}`" in page.read_text() for each in kept)


def test_the_pipeline_is_told_over_seeds_and_what_both_gain_seed_by_seed() -> None:
    shared = drawings(omniglot(8), FRAME)
    made = [pipeline_run(shared, "x", 2, lambda learner: {}, share) for share in (0.0, 0.5)]
    run = replace(made[1], beside={"meta": made[0]})
    rows = [{"meta": Compared({"a": 0.5 + off}, 3.0), "both": Compared({"a": 0.6 + off}, 4.0)} for off in (0.0, 0.1)]
    told = pipeline_table([run, run], rows, lambda learner: {"a": 0.25 + 0.5 * (learner is run.learner)})
    assert "| meta | 55.0 ± 7.1 | 25.0 ± 0.0 | 3.0 ± 0.0 |" in told
    assert "| both - meta | +10.00 ± 0.00 | +50.00 ± 0.00 |" in told
