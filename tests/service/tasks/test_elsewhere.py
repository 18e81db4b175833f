"""A vector of a length that the model does not take: what was expected, and which served model takes it."""

import httpx
import pytest

from tests.service.api.serving import assert_problem, serving, vectors


async def refused(client: httpx.AsyncClient, model: str, body: list[dict[str, object]]) -> list[str]:
    problem = assert_problem(
        await client.post("/v1/tasks", json={"model": model, "support": body}), 422, "invalid_request"
    )
    assert problem["detail"].startswith(f"{problem['errors'][0]['path']}: {problem['errors'][0]['message']}")
    return [each["message"] for each in problem["errors"]]


async def test_the_models_that_take_a_vector_of_another_length_are_named(sqlite_url: str) -> None:
    async with serving(sqlite_url, "vectors", "curves", "tables") as client:
        told = await refused(client, "vectors", vectors(12, shots=1))
        assert told == ["expected a vector of 64 numbers, got 12; served models that take it: tables"] * 2
        curved = [{"input": [x, 1.0], "target": x} for x in (0.0, 1.0, 2.0)]
        assert await refused(client, "curves", curved) == ["expected a vector of 1 numbers, got 2"] * 3
        made = await client.post("/v1/tasks", json={"model": "tables", "support": vectors(12, shots=1)})
        assert made.status_code == 201


@pytest.mark.parametrize("wrong", ["a text", [1.0, "a"] * 32])
async def test_what_no_other_model_takes_is_told_as_before(sqlite_url: str, wrong: object) -> None:
    body = [{**each, "input": wrong} for each in vectors(64, shots=1)]
    async with serving(sqlite_url, "vectors", "curves") as client:
        assert not any("that take it" in message for message in await refused(client, "vectors", body))


async def test_numbers_that_no_model_takes_are_sent_nowhere_else(sqlite_url: str) -> None:
    large = [{"input": [x * 1e16], "target": x} for x in (1.0, 2.0, 3.0)]
    async with serving(sqlite_url, "curves", "vectors", "tables") as client:
        assert await refused(client, "curves", large) == ["numbers must not be larger than 1e+15 in size"] * 3


async def test_models_of_the_other_kind_are_named(sqlite_url: str) -> None:
    measured: list[dict[str, object]] = [{"input": [x, 1.0], "target": x} for x in (0.0, 1.0)]
    labelled: list[dict[str, object]] = [{"input": [x], "label": label} for x, label in ((0.0, "a"), (1.0, "b"))]
    async with serving(sqlite_url, "curves", "tables", "universal") as client:
        told = await refused(client, "tables", measured)
        missing = "is missing: each example of a classification task carries one"
        other = f"{missing}; served models that take it for a regression: universal"
        assert told == [other, "does not belong in a classification task"] * 2
        told = await refused(client, "curves", labelled)
        assert told[0].endswith("; served models that take it for a classification: tables, universal")


async def test_dates_are_numbers_for_who_says_since_when(sqlite_url: str) -> None:
    dated = [{"input": [f"2024-05-0{day}T10:00:00Z"], "target": 1.0} for day in (1, 2)]
    async with serving(sqlite_url, "curves") as client:
        told = await refused(client, "curves", dated)
        assert told == ["should be a valid number; of a date send the days or seconds since some day"] * 2


async def test_a_row_unlike_the_others_is_sent_nowhere_else(sqlite_url: str) -> None:
    ragged: list[dict[str, object]] = [{"input": [1.0] * num, "label": label} for num, label in ((3, "a"), (2, "b"))]
    async with serving(sqlite_url, "tables", "universal") as client:
        told = await refused(client, "tables", ragged)
        assert told == ["expected a row of 3 cells, as the task's other inputs are, got a row of 2 cells"]
