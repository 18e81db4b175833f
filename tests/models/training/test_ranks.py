"""Two processes, as torchrun starts them, against one with two lanes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from models.data.episodes import full_batch
from models.training.lanes import moved
from models.training.ranks import ALONE
from models.training.train import train
from tests.models.training.tiny import tiny_run


def started(rank: int, port: int, folder: Path) -> subprocess.Popen[bytes]:
    env = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.models.training.tiny", "rank", str(folder)],
        env=os.environ | {name: str(value) for name, value in env.items()} | {"GLOO_SOCKET_IFNAME": "lo"},
    )


def test_two_processes_train_what_one_with_two_lanes_does_bit_by_bit(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = [started(rank, port, tmp_path) for rank in range(2)]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    alone = tiny_run()
    assert train(alone, tmp_path / "alone")
    for rank in range(2):
        weights = load_file(tmp_path / f"{rank}.safetensors")
        for name, leaf in alone.learner.state_dict().items():
            assert torch.equal(leaf, weights[name]), f"{name} of process {rank}"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"resume.safetensors", "log.csv", "curves.png"}


def test_a_batch_moves_to_another_device_as_a_whole() -> None:
    batch = moved(full_batch(torch.zeros(1, 2, 1, 3), torch.zeros(1, 2, 1, 3)), torch.device("meta"))
    assert batch.support.rows.values.is_meta and batch.query.mask.is_meta
    assert full_batch(batch.support.rows.values[:, None], batch.query.values[:, None]).target.index.is_meta  # type: ignore[union-attr]


def test_alone_nothing_is_exchanged() -> None:
    assert ALONE.first and ALONE.from_first(b"x") == b"x" and ALONE.in_turn(lambda: 1) == 1
