import csv
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from models.training.glyphs import SHARPER, sharpen
from models.training.resume import NotResumable
from models.training.train import Run, rate_at, train
from tests.models.training.tiny import tiny_run


def weights(run: Run) -> dict[str, torch.Tensor]:
    return run.learner.state_dict()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = tiny_run()
    assert train(run, tmp_path_factory.mktemp("straight"))
    return run


@pytest.mark.parametrize("moment", ["batch", "save"])
def test_a_killed_run_resumes_bit_equal(moment: str, straight: Run, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-m", "tests.models.training.tiny", moment, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "resume.safetensors").is_file()
    resumed = tiny_run()
    assert train(resumed, tmp_path)
    for name, leaf in weights(straight).items():
        assert torch.equal(leaf, weights(resumed)[name]), name


def test_another_run_is_refused_by_what_differs(tmp_path: Path) -> None:
    assert not train(tiny_run(), tmp_path, max_seconds=0.0)
    for change in ({"rate": 0.2}, {"arguments": {"ways": 3}}, {"num_lanes": 1}):
        with pytest.raises(NotResumable, match=r"holds another run: .* there, .* here"):
            train(replace(tiny_run(), **change), tmp_path)
    with pytest.raises(NotResumable, match=r"rate is 0\.1 there, 0\.2 here"):
        train(replace(tiny_run(), rate=0.2), tmp_path)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    assert not train(tiny_run(), tmp_path, max_seconds=0.0)
    path = tmp_path / "resume.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(NotResumable, match="damaged"):
        train(tiny_run(), tmp_path)


def test_a_run_out_of_time_says_so_and_goes_on(straight: Run, tmp_path: Path) -> None:
    parts = 1
    while not train(tiny_run(), tmp_path, max_seconds=0.0):
        parts += 1
    assert parts == straight.num_steps
    last = tiny_run()
    assert train(last, tmp_path)
    assert all(torch.equal(leaf, weights(last)[name]) for name, leaf in weights(straight).items())


def test_training_moves_the_weights_and_logs_its_figures(straight: Run, tmp_path: Path) -> None:
    start, run = tiny_run(), replace(tiny_run(), validate=lambda learner: {"held": 0.5}, validate_steps=4)
    train(run, tmp_path)
    assert not torch.equal(
        weights(start)["encoder.blocks.0.first.weight"], weights(run)["encoder.blocks.0.first.weight"]
    )
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["4", "6"]
    assert set(rows[0]) == {"step", "turns", "named", "right", "norm", "held", "episodes_per_s", "seconds"}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_ends_a_run_is_done_once_however_often_it_is_resumed(straight: Run, tmp_path: Path) -> None:
    for _ in range(2):
        run = Run(**{**vars(tiny_run()), "finish": sharpen})
        assert train(run, tmp_path)
        change = weights(run)["head.log_scale"] - weights(straight)["head.log_scale"]
        assert change.exp().item() == pytest.approx(SHARPER)


def test_a_run_may_end_by_its_own_rule(tmp_path: Path) -> None:
    run = Run(**{**vars(tiny_run()), "stop": iter([False, False, True]).__next__})
    assert train(run, tmp_path)
    with safe_open(tmp_path / "resume.safetensors", "pt") as file:
        assert file.metadata()["step"] == "2"


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    run = Run(**{**vars(tiny_run()), "num_steps": 100, "warmup_steps": 10, "rate": 1.0})
    rates = [rate_at(run, step) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 1e-3
