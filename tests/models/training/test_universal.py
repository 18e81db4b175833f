"""One step of the recipe of `universal` on small made-up pools, and what is measured of it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from benchmarks.universal import ROW, Trained, error, tables, trained, whole
from models.checkpoint import build
from models.data import streams
from models.data.pools import PoolEpisodes
from models.data.schema import DataSet, Example
from models.data.streams import HELD, LEFT_OUT, Pool, TableEpisodes, Turned, pool_of
from models.inputs.mixed import MixedInput
from models.training.measure_streams import figures
from models.training.objectives.blended import Blended
from models.training.universal import Streams, parts
from models.types import Values

INPUTS = MixedInput(size=28, max_tokens=8, max_dim=8)


def pools() -> dict[str, Pool]:
    draws = np.random.default_rng(0)
    classes = {("f", str(label)): list(range(12 * label, 12 * label + 12)) for label in range(6)}
    images = draws.integers(0, 256, (6, 28, 28)).repeat(12, 0).astype(np.uint8)
    texts = np.stack([INPUTS.text(word) for word in ("red", "blue", "one", "two", "cat", "dog")]).repeat(12, 0)
    vectors = (np.eye(6, 8).repeat(12, 0) * 9 + draws.normal(size=(72, 8))).astype(np.float32)
    tables = {("t", ""): list(range(72))}
    none, targets = torch.zeros(72, 1), torch.from_numpy(vectors.sum(1, keepdims=True)) / 9
    made = {
        name: Pool(torch.from_numpy(rows), classes, none, ()) for name, rows in (("image", images), ("text", texts))
    }
    rows = torch.from_numpy(vectors)
    return made | {"vector": Pool(rows, classes, none, ()), "regression": Pool(rows, tables, targets, ())}


def episodes() -> Streams:
    own = pools()
    made = {name: PoolEpisodes(own[name].rows, own[name].classes, 2, 4, 3, 3) for name in ("image", "text", "vector")}
    regression = TableEpisodes(own["regression"], num_tasks=2, max_shots=20)
    return Streams({**made, "image": Turned(made["image"]), "regression": regression})


def test_every_stream_moves_the_trunk_and_the_weights_are_shown() -> None:
    torch.manual_seed(0)
    learner = build(*parts(16, 16, 32, INPUTS.max_dim))
    objective = Blended([*episodes().episodes], given={"text": 0.5})
    shown = objective(learner, episodes()(0))
    assert shown["lambda, text"] == 0.5 and shown["lambda, image"] == 1.0
    assert {f"loss, {name}" for name in pools()} <= shown.keys()
    assert all(leaf.grad is not None and leaf.grad.any() for leaf in learner.head.parameters() if leaf.requires_grad)
    found = figures(learner.eval(), pools(), num_tasks=4)
    assert {name.partition(":")[0] for name in found} == {*pools()}
    assert found["vector: 5-way 5-shot" if "vector: 5-way 5-shot" in found else "vector: f 5-shot"].value > 60


def test_a_drawing_is_turned_alike_in_support_and_query() -> None:
    plain = PoolEpisodes(pools()["image"].rows, pools()["image"].classes, 3, 4, 3, 3)
    before, after = plain(5), Turned(plain)(5)
    assert after.support.rows.values.shape == before.support.rows.values.shape
    for task in range(3):
        own = [torch.rot90(before.query.values[task], turns, (-2, -1)) for turns in range(4)]
        found = [int(torch.equal(each, after.query.values[task])) for each in (*own, *(part.flip(-1) for part in own))]
        assert sum(found) == 1
        turned = torch.rot90(before.support.rows.values[task], found.index(1) % 4, (-2, -1))
        turned = turned.flip(-1) if found.index(1) > 3 else turned
        assert torch.equal(turned, after.support.rows.values[task])


def test_regressions_share_no_row_between_support_and_query() -> None:
    batch = TableEpisodes(pools()["regression"], num_tasks=2)(3)
    assert isinstance(batch.target, Values)
    for task in range(2):
        rows = torch.cat([batch.support.rows.values[task], batch.query.values[task]])
        assert len({tuple(row) for row in rows.tolist()}) == len(rows)


@pytest.fixture
def tabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables by the names of the public ones, small."""

    def read(data: Path, name: str) -> list[DataSet]:
        names = ("iris", "wine", "letter", "car", "anneal")
        rows = [Example([float(n), np.nan if n == 3 else 1.0], "ab"[n % 2]) for n in range(8)]
        return [DataSet(f"tabular_cls/{each}", "vector", rows, "", "free") for each in names]

    monkeypatch.setattr(streams, "read_named", read)
    streams.pool_of.cache_clear()


@pytest.mark.usefixtures("tabled")
def test_parts_of_a_stream_share_no_task(tmp_path: Path) -> None:
    found = {part: pool_of(tmp_path, "vector", part, INPUTS).families for part in ("train", "val", "test")}
    assert found == {
        "train": ["tabular_cls/car", "tabular_cls/letter"],
        "val": ["tabular_cls/iris"],
        "test": ["tabular_cls/wine"],
    }
    tenth = pool_of(tmp_path, "vector", "train", INPUTS, 0.1)
    assert len(tenth.families) == 1 and torch.isfinite(tenth.rows).all()
    streams.pool_of.cache_clear()
    assert not HELD["val"] & HELD["test"] and LEFT_OUT


def test_the_table_has_a_line_a_task_and_a_mean_a_stream() -> None:
    def grids(*values: float) -> dict[str, np.ndarray]:
        spread = np.array([[-0.02, 0.02], [-0.01, 0.01]])  # two seeds, two tasks
        return {name: value + spread * place for place, (name, value) in enumerate(zip(names, values, strict=True))}

    names = ("image: 5-way 1-shot", "text: a", "text: b", "vector: c", "regression: d")
    rows = {name: [Trained("d" * 64, {"image": 1.0}, 3.0, {})] * 2 for name in ("universal", "image")}
    found = {"all, universal": grids(0.9, 0.9, 0.8, 0.9, 0.9), "all, twins": grids(0.91, 0.885, 0.8, 0.9, 0.9)}
    told = tables({"all": rows}, found)
    assert "| image: 5-way 1-shot | 90.0 | 91.0 | -1.00 ± 0.00 |" in told
    assert "| **text: mean** | 85.0 | 84.2 | +0.75 ± 0.00 |" in told
    assert "lambda: image 1." in told and "image 3 CPU-s" in told


def test_the_error_of_a_difference_is_over_seeds_and_over_tasks() -> None:
    rng = np.random.default_rng(0)
    seeds, tasks = rng.normal(0, 2, (500, 5, 1)), rng.normal(0, 8, (500, 1, 40))
    draws = seeds + tasks + rng.normal(0, 1, (500, 5, 40))
    told = np.array([error([each]) for each in draws])
    assert draws.mean((1, 2)).std() == pytest.approx((told**2).mean() ** 0.5, rel=0.1)


def test_a_folder_keeps_the_model_of_its_arguments_and_no_other(tmp_path: Path) -> None:
    row = Trained("d" * 64, {"image": 1.0}, 3.0, whole({"seed": 1, "num_steps": 7}))
    (tmp_path / ROW).write_text(json.dumps(asdict(row)))
    assert trained(tmp_path, {"num_steps": 7, "seed": 1}, tmp_path) == row
    for other in ({"seed": 1}, {"seed": 2, "num_steps": 7}, {"seed": 1, "num_steps": 7, "rate": 0.1}):
        with pytest.raises(typer.BadParameter, match="a model of other arguments"):
            trained(tmp_path, other, tmp_path)
