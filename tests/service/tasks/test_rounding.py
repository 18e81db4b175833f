"""Scores with few decimals, where an operator wants no others to be seen."""

from service import codec
from service.schemas import Classification, FoundSlot, Frame, Multilabel, Regression
from tests.service.api.serving import input_dim, serving, vectors


async def test_answers_have_as_many_decimals_as_the_setting_says(sqlite_url: str) -> None:
    async with serving(sqlite_url, "vectors", score_digits=2) as client:
        support = vectors(await input_dim(client), "abc")
        task = (await client.post("/v1/tasks", json={"model": "vectors", "support": support})).json()["id"]
        told = await client.post(f"/v1/tasks/{task}/predictions", json={"inputs": [support[0]["input"]]})
    scores = told.json()["predictions"][0]["scores"]
    assert len(scores) == 3 and all(score == round(score, 2) for score in scores.values())


def test_what_is_best_stays_and_numbers_that_are_answers_too() -> None:
    slot = FoundSlot(name="n", start=0, end=1, text="x", score=0.12345)
    found: list[Classification | Multilabel | Frame | Regression] = [
        Classification(label="b", scores={"b": 0.50049, "a": 0.49951}, unknown=0.98765, label_set=None),
        Multilabel(labels=[], scores={"a": 0.49951}),
        Frame(label="a", scores={"a": 0.98765}, slots=[slot], form="[a: x]"),
        Regression(mean=0.12345, std=0.98765),
    ]
    first, several, frame, number = codec.rounded(found, 2)
    assert (first.label, list(first.scores.items()), first.unknown) == ("b", [("b", 0.5), ("a", 0.5)], 0.99)
    assert (several.labels, several.scores) == ([], {"a": 0.5})
    assert (frame.scores, frame.slots[0].score) == ({"a": 0.99}, 0.12)
    assert number == found[3]
    assert codec.rounded(found, None) == found
