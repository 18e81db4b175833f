"""Both clients against the real service."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from service import schemas
from service.errors import (
    ExampleNotFound,
    InvalidRequest,
    ModelNotFound,
    PreconditionFailed,
    TaskNotFound,
)
from tests.service.client.both import all_of, told

LABELS = ["a", "b", "a", "b"]


async def points(kshot: Any, *values: float) -> Any:
    """Vectors for the model `vectors`."""
    dim = (await told(kshot.model("vectors"))).input_dim
    return np.array([[value] * dim for value in values])


async def test_a_task_from_its_first_day_to_its_last(kshot: Any) -> None:
    rows = await points(kshot, -1, 1, -1.1, 1.1)
    task = await told(kshot.adapt("vectors", rows, labels=LABELS, ids="wxyz", name="n", metadata={"a": None}))
    assert (task.labels, task.version, task.metadata) == (["a", "b"], 1, {"a": None})
    same = schemas.Task(**{name: getattr(task, name) for name in schemas.Task.model_fields})
    assert task.example_ids == list("wxyz")
    assert await told(kshot.get(task)) == await told(kshot.get(task.id)) == same

    answer = await told(kshot.predict(task, rows, top=1))
    assert [each.label for each in answer.predictions] == LABELS

    other = await told(kshot.adapt("curves", [[-1.0], [0.0], [1.0]], targets=np.array([1.0, 2.0, 3.0])))
    [value] = (await told(kshot.predict(other, [[0.5]]))).predictions
    assert isinstance(value, schemas.Regression) and isinstance(value.mean, float)

    assert [each.id for each in await all_of(kshot.tasks())] == [other.id, task.id]
    assert [each.id for each in await all_of(kshot.tasks(name="n", model="vectors"))] == [task.id]
    await told(kshot.delete(task))
    with pytest.raises(TaskNotFound):
        await told(kshot.get(task))


async def test_integer_labels_come_back_as_the_texts_that_http_has(kshot: Any) -> None:
    rows = await points(kshot, -1, 1, -1.1, 1.1)
    asked = {
        "support": [{"input": row.tolist(), "label": label} for row, label in zip(rows, (7, 3, 7, 3), strict=True)]
    }
    with pytest.raises(ValidationError, match="a label, which is a string"):
        schemas.CreateTask.model_validate({"model": "vectors", **asked})
    for labels in ([7, 3, 7, 3], np.array([7, 3, 7, 3]), ["7", "3", "7", "3"]):
        task = await told(kshot.adapt("vectors", rows, labels=labels))
        assert task.labels == ["7", "3"] == (await told(kshot.get(task))).labels
        answer = await told(kshot.predict(task, rows, coverage=0.5))
        assert [each.label for each in answer.predictions] == ["7", "3", "7", "3"]
        assert all(each.scores.keys() == {"3", "7"} >= set(each.label_set) for each in answer.predictions)
        assert [each.label for each in await all_of(kshot.support(task))] == ["7", "3", "7", "3"]
    assert (await told(kshot.evaluate(task, rows, labels=[7, 3, 7, 3]))).labels.keys() == {"3", "7"}


async def test_what_the_service_is(kshot: Any) -> None:
    assert {model.name for model in await told(kshot.models())} >= {"vectors", "curves", "glyphs"}
    assert (await told(kshot.limits())).max_ways == 256
    assert (await told(kshot.livez())).status == "alive"
    assert (await told(kshot.readyz())).status == "ready"
    assert "kshot" in await told(kshot.metrics())
    with pytest.raises(ModelNotFound):
        await told(kshot.model("a?b"))


async def test_a_task_grows_forgets_and_goes_back(kshot: Any) -> None:
    rows = await points(kshot, -1, 1, 5)
    first = await told(kshot.adapt("vectors", rows[:2], labels="ab", ids=["x/1", "y"]))
    second = await told(kshot.extend(first, rows[2:], labels=["c"], ids=["z"], if_match=first.revision))
    assert (second.labels, second.example_ids, second.version) == (["a", "b", "c"], ["z"], 2)
    assert [each.id for each in await all_of(kshot.support(first))] == ["x/1", "y", "z"]
    assert [each.id for each in await all_of(kshot.support(first, version=1))] == ["x/1", "y"]

    back = await told(kshot.rollback(first, 1))
    assert (back.labels, back.version) == (["a", "b"], 3)
    assert [each.origin for each in await told(kshot.versions(first))] == ["rollback", "extend", "adapt"]

    await told(kshot.rollback(first, 2))
    third = await told(kshot.forget(first, "x/1"))
    assert (third.labels, third.version) == (["b", "c"], 5)
    with pytest.raises(ExampleNotFound):
        await told(kshot.forget(first, "x/1"))


async def test_a_task_is_held_against_what_is_known(kshot: Any) -> None:
    rows = await points(kshot, -1, 1)
    task = await told(kshot.adapt("vectors", rows, labels="ab"))
    await told(kshot.extend(task, rows, labels="ab"))
    found = await told(kshot.evaluate(task, rows, labels="ab", compare_with=1))
    assert (found.accuracy, found.version, found.comparison.version) == (1, 2, 1)
    line = await told(kshot.adapt("curves", [[-1.0], [0.0], [1.0]], targets=[1, 2, 3]))
    assert (await told(kshot.evaluate(line, [[0.5]], targets=[2.5], version=1))).num_examples == 1
    first, current = await told(kshot.weights(task, 1)), await told(kshot.weights(task))
    assert b'"__metadata__"' in first and first != current


async def test_names_change_and_stale_writes_do_not_happen(kshot: Any) -> None:
    task = await told(kshot.adapt("vectors", await points(kshot, 0, 1), labels="ab", name="old", metadata={"k": 1}))
    moved = await told(kshot.update(task, name="new"))
    assert (moved.name, moved.metadata, moved.version) == ("new", {"k": 1}, task.version)
    assert moved.revision > task.revision
    with pytest.raises(PreconditionFailed):
        await told(kshot.delete(task, if_match=task.revision))
    with pytest.raises(PreconditionFailed):
        await told(kshot.rollback(task, 1, if_match=task.revision))
    bare = await told(kshot.update(task, name=None, metadata={}, if_match=moved.revision))
    assert (bare.name, bare.metadata) == (None, {})
    [listed] = await all_of(kshot.tasks())
    await told(kshot.delete(task, if_match=listed.revision))


async def test_the_same_key_makes_one_task(kshot: Any) -> None:
    rows = await points(kshot, 0, 1)
    one, same = [await told(kshot.adapt("vectors", rows, labels="ab", idempotency_key="monday")) for _ in range(2)]
    assert one == same
    assert len(await all_of(kshot.tasks())) == 1


async def test_more_inputs_than_a_request_may_hold(kshot: Any) -> None:
    seen: list[tuple[int, int]] = []
    labels = "abbabaaabbbabaababba"
    rows = await points(kshot, *("ab".index(label) for label in labels))
    task = await told(kshot.adapt("vectors", rows, labels=labels, on_progress=lambda *each: seen.append(each)))
    assert seen == [(16, 20), (20, 20)]
    seen.clear()
    answer = await told(kshot.predict(task, rows, on_progress=lambda *each: seen.append(each)))
    assert "".join(each.label for each in answer.predictions) == labels
    assert seen == [(8, 20), (16, 20), (20, 20)]
    assert (answer.task, answer.version) == (task.id, 1)


async def test_errors_name_the_same_fields_wherever_they_are_found(kshot: Any) -> None:
    with pytest.raises(InvalidRequest) as found_here:
        await told(kshot.adapt("vectors", [[1.0, np.nan]], labels=["a"]))
    assert [error.path for error in found_here.value.errors] == ["support.0.input.1"]
    with pytest.raises(InvalidRequest) as found_there:
        await told(kshot.adapt("vectors", [[1.0]], labels=["a"]))
    assert [error.path for error in found_there.value.errors] == ["support"]
    with pytest.raises(TypeError, match=r"it is \[1.5\]"):
        await told(kshot.adapt("vectors", [1.5], labels=["a"]))
    with pytest.raises(ValueError, match="expected 2 of each"):
        await told(kshot.adapt("vectors", [[1.0], [2.0]], labels=["a"]))

    task = await told(kshot.adapt("vectors", await points(kshot, 0, 1), labels="ab"))
    good = (await points(kshot, 0))[0]
    for wrong in ([np.nan, *good[1:]], [1.0]):
        with pytest.raises(InvalidRequest) as caught:
            await told(kshot.predict(task, [good] * 9 + [wrong]))
        assert str(caught.value).startswith("inputs.9")
        assert caught.value.errors[0].path.startswith("inputs.9")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_name_that_would_lead_elsewhere_is_not_sent(kshot: Any, name: str) -> None:
    task = await told(kshot.adapt("vectors", await points(kshot, 0, 1), labels="ab"))
    with pytest.raises(InvalidRequest, match="is not an id"):
        await told(kshot.forget(task, name))
    assert await told(kshot.get(task))


async def test_a_task_goes_out_and_comes_in(kshot: Any, tmp_path: Path) -> None:
    task = await told(kshot.adapt("curves", [[-1.0], [0.0], [1.0]], targets=[1.0, 2.0, 3.0]))
    assert (await told(kshot.readapt(task))).revision == task.revision
    assert len(await told(kshot.weights(task, 1))) == len(await told(kshot.weights(task)))
    (tmp_path / "task").write_bytes(await told(kshot.export(task)))
    made = await told(kshot.import_task(tmp_path / "task", readapt=True))
    assert (made.id != task.id, made.model_digest, made.num_support) == (True, task.model_digest, 3)
    with pytest.raises(InvalidRequest):
        await told(kshot.readapt(task, "no digest"))
    with pytest.raises(InvalidRequest):
        await told(kshot.import_task(b"nothing"))
