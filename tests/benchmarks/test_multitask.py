"""The comparison of tasks learned together with each by itself, on a few made-up schools."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import multitask


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
