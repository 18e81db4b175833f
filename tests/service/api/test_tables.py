"""Rows of tables through HTTP: numbers, words and holes, columns of any number but the same for a task."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from models.card import Card
from models.checkpoint import build, save
from tests.service.api.serving import serving

IDENTITY, HEAD = {"name": "identity"}, {"name": "in_context", "hidden": 8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of tables that was never trained: what it does without is enough for these."""
    torch.manual_seed(0)
    card = Card("small", "table", ("classification",), {"name": "table"}, IDENTITY, HEAD, "2026-01-01T00:00:00Z")
    save(tmp_path / "small", build(IDENTITY, HEAD), card)
    return tmp_path


def row(label: str, shot: int) -> list[Any]:
    """A length in millimetres, a colour that is mostly the label's, and a hole now and then."""
    draws = np.random.default_rng(100 * "ab".index(label) + shot)
    length = round(float(draws.normal(5000 if label == "a" else 9000, 500)), 1)
    colour = "red" if (label == "a") != (shot == 3) else "blue"
    return [length, colour, None if shot % 3 == 0 else float(draws.normal()), "same"]


def support(shots: int = 5) -> list[dict[str, Any]]:
    return [{"input": row(label, shot), "label": label} for shot in range(shots) for label in "ab"]


async def made(client: httpx.AsyncClient) -> str:
    answer = await client.post("/v1/tasks", json={"model": "small", "support": support()})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def paths(answer: httpx.Response) -> Iterator[str]:
    assert answer.status_code == 422, answer.text
    yield from (error["path"] for error in answer.json()["errors"])


async def test_a_table_is_learned_extended_evaluated_and_forgotten(sqlite_url: str, folder: Path) -> None:
    async with serving(sqlite_url, "small", models=folder) as client:
        task = await made(client)
        asked = [row("a", 20), row("b", 21), [None, "red", None, None]]
        answered = await client.post(f"{task}/predictions", json={"inputs": asked})
        assert [each["label"] for each in answered.json()["predictions"]] == ["a", "b", "a"]
        more = [{"input": [70_000 + shot, "green", shot, ""], "label": "c"} for shot in range(2)]
        taught = await client.post(f"{task}/support", json={"support": more})
        assert taught.status_code == 201, taught.text
        answered = await client.post(f"{task}/predictions", json={"inputs": [[70_500, "green", 2, "new"]]})
        assert answered.json()["predictions"][0]["label"] == "c"
        examples = [{"input": row(label, 30), "label": label} for label in "ab"]
        evaluated = await client.post(f"{task}/evaluations", json={"examples": examples})
        assert evaluated.json()["accuracy"] == 1.0, evaluated.text
        for example in taught.json()["example_ids"]:
            assert (await client.delete(f"{task}/support/{example}")).status_code == 200
        back = await client.post(f"{task}/predictions", json={"inputs": asked})
        assert [each["label"] for each in back.json()["predictions"]] == ["a", "b", "a"]


async def test_rows_that_do_not_fit_are_told_by_their_paths(sqlite_url: str, folder: Path) -> None:
    async with serving(sqlite_url, "small", models=folder) as client:
        task = await made(client)
        short, good = [1.0, "red", None], row("a", 1)

        async def adapting(value: Any) -> list[str]:
            body = {"model": "small", "support": [*support(1), {"input": value, "label": "a"}]}
            return list(paths(await client.post("/v1/tasks", json=body)))

        assert await adapting(short) == ["support.2.input"]
        assert await adapting([]) == ["support.2.input"]
        assert await adapting([0.5] * 65) == ["support.2.input"]
        assert await adapting("a text") == ["support.2.input"]
        assert await adapting([1.0, "red", True, None]) == ["support.2.input.2"]
        assert await adapting([1.0, "red", [], None]) == ["support.2.input.2"]
        assert await adapting([1e16, "red", 0, None]) == ["support.2.input"]
        answer = await client.post(f"{task}/predictions", json={"inputs": [good, short]})
        assert (
            list(paths(answer)) == ["inputs.1"]
            and "expected a row of 4 cells, as the task's other inputs are, got a row of 3 cells" in answer.text
        )
        body = {"support": [{"input": short, "label": "a"}]}
        assert list(paths(await client.post(f"{task}/support", json=body))) == ["support.0.input"]
        body = {"examples": [{"input": good, "label": "a"}, {"input": short, "label": "a"}]}
        for version in ({}, {"version": 1}):
            answer = await client.post(f"{task}/evaluations", json=body | version)
            assert list(paths(answer)) == ["examples.1.input"]


async def test_the_model_s_own_limits_are_listed_and_kept(sqlite_url: str, folder: Path) -> None:
    async with serving(sqlite_url, "small", models=folder) as client:
        model = (await client.get("/v1/models/small")).json()
        assert model["modalities"] == ["table"] and model["input_dim"] is None
        assert (model["limits"]["max_ways"], model["limits"]["max_examples"]) == (26, 320)
        for num_labels, num_rows in ((27, 27), (2, 321)):
            rows = [{"input": [1.0], "label": str(number % num_labels)} for number in range(num_rows)]
            answer = await client.post("/v1/tasks", json={"model": "small", "support": rows})
            assert answer.status_code == 422 and answer.json()["code"] == "limit_exceeded"


async def test_how_good_a_table_will_be_is_told(sqlite_url: str) -> None:
    async with serving(sqlite_url, "tables") as client:
        told = []
        for shots in (1, 8):
            examples = {"model": "tables", "support": support(shots)}
            told.append((await client.post("/v1/tasks", json=examples)).json()["expected"])
    for each in told:
        assert 0 <= each["low"] <= each["accuracy"] <= each["high"] <= 1
    assert told[1]["accuracy"] > 0.8 and told[1]["low"] > told[0]["low"]


NAMES = ["length", "colour", "size", "constant"]


async def test_columns_are_known_by_their_names(sqlite_url: str, folder: Path) -> None:
    """The same rows with their cells in another order are the same rows; those of other columns are refused."""
    turned = [NAMES[place] for place in (1, 3, 0, 2)]

    def turn(cells: Sequence[Any]) -> list[Any]:
        return [cells[NAMES.index(name)] for name in turned]

    async with serving(sqlite_url, "small", models=folder) as client:
        made = await client.post("/v1/tasks", json={"model": "small", "support": support(), "columns": NAMES})
        assert made.status_code == 201 and made.json()["columns"] == NAMES, made.text
        task: str = made.headers["location"]
        asked = [row("a", 20), row("b", 21), [None, "red", None, None]]
        plain = (await client.post(f"{task}/predictions", json={"inputs": asked})).json()["predictions"]

        async def answers(**body: Any) -> Any:
            answer = await client.post(f"{task}/predictions", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()["predictions"]

        assert await answers(inputs=asked, columns=NAMES) == plain
        assert await answers(inputs=[*map(turn, asked)], columns=turned) == plain
        assert await answers(inputs=[*map(turn, asked)]) != plain  # by their place, the cells are others
        examples = [{"input": turn(row(label, 30)), "label": label} for label in "ab"]
        known = {"examples": examples, "columns": turned}
        assert (await client.post(f"{task}/evaluations", json=known)).json()["accuracy"] == 1.0
        more = [{"input": row(label, 31), "label": label} for label in "ab"]
        for path, body in (("predictions", {"inputs": asked}), ("support", {"support": more})):
            for wrong in ([*NAMES[:3], "Constant"], NAMES[:3], [*NAMES, "more"]):
                assert list(paths(await client.post(f"{task}/{path}", json={**body, "columns": wrong}))) == ["columns"]
        short = {"inputs": [row("a", 20)[:3]], "columns": NAMES}
        assert list(paths(await client.post(f"{task}/predictions", json=short))) == ["inputs.0"]
        other = [{**each, "input": turn(each["input"])} for each in more]
        first = await client.post(f"{task}/support", json={"support": more, "columns": NAMES})
        told = await answers(inputs=asked)
        assert (await client.post(f"{task}/rollback", json={"version": 1})).json()["columns"] == NAMES
        second = await client.post(f"{task}/support", json={"support": other, "columns": turned})
        assert (first.status_code, second.status_code) == (201, 201), second.text
        assert second.json()["columns"] == NAMES and await answers(inputs=asked) == told
        forgotten = await client.delete(f"{task}/support/{second.json()['example_ids'][0]}")
        assert forgotten.json()["columns"] == NAMES
        file = (await client.get(f"{task}/export")).content
        copied = await client.post(
            "/v1/tasks/import", content=file, headers={"Content-Type": "application/octet-stream"}
        )
        assert copied.status_code == 201 and copied.json()["columns"] == NAMES, copied.text


async def test_names_of_columns_are_checked(sqlite_url: str, folder: Path) -> None:
    async with serving(sqlite_url, "small", "glyphs", models=folder) as client:
        for wrong in ([], ["a", "a", "b", "c"], [1, 2, 3, 4], ["", "b", "c", "d"], "abcd", ["x" * 201] * 4):
            body = {"model": "small", "support": support(), "columns": wrong}
            found = list(paths(await client.post("/v1/tasks", json=body)))
            assert found and all(path.split(".")[0] == "columns" for path in found)
        narrow = {"model": "small", "support": support(1), "columns": NAMES[:3]}
        assert list(paths(await client.post("/v1/tasks", json=narrow))) == ["support.0.input", "support.1.input"]
        drawn = {"model": "glyphs", "support": support(1), "columns": NAMES}
        assert list(paths(await client.post("/v1/tasks", json=drawn))) == ["support.0.input", "support.1.input"]
        task = await made(client)
        asked = {"inputs": [row("a", 1)], "columns": NAMES}
        told = await client.post(f"{task}/predictions", json=asked)
        assert list(paths(told)) == ["columns"] and "without names" in told.text
        assert (await client.get(task)).json()["columns"] is None


@pytest.mark.parametrize(
    ("wrong", "where", "told"),
    [
        ("[NaN, 1]", ".0", "a cell of a table that is missing is null"),
        ('{"length": 1}', ".image", "a row of a table is a list of cells, which `columns` names"),
        ("1.5", "", "a list of numbers, be it one"),
    ],
)
async def test_it_is_said_how_a_row_is_written(
    sqlite_url: str, folder: Path, wrong: str, where: str, told: str
) -> None:
    body = f'{{"model": "small", "support": [{{"input": {wrong}, "label": "a"}}]}}'
    async with serving(sqlite_url, "small", models=folder) as client:
        answer = await client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    assert next(paths(answer)) == f"support.0.input{where}"
    assert told in answer.json()["errors"][0]["message"]
