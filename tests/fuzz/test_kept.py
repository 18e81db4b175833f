"""Counts of several runs are one count, as long as the code is the same."""

from pathlib import Path

import pytest

from tests.fuzz import kept
from tests.fuzz.running import Count, fuzz
from tests.fuzz.targets import TARGETS, Target


def test_runs_add_up_and_draw_other_cases(tmp_path: Path) -> None:
    path, seen = tmp_path / "runs" / "fuzz.json", list[bytes]()
    target = Target(TARGETS["safetensors"].cases, seen.append)
    for num_cases in (20, 40):
        counts = kept.load(path, "same")
        counts["safetensors"] = fuzz(target, cpu_s=60, max_cases=20, so_far=counts.get("safetensors", Count()))
        kept.save(path, "same", counts)
        assert counts["safetensors"].num_cases == len(seen) == num_cases
    assert seen[:20] != seen[20:]
    assert kept.load(path, "same") == counts and kept.load(path, "other") == {}


@pytest.mark.skipif(not (kept.ROOT / ".git").exists(), reason="no repository")
def test_the_code_is_that_of_the_folders() -> None:
    assert len(kept.code().split()) >= len(kept.FUZZED)
