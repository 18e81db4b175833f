"""Tasks go from one service to another, whole; and files from anywhere are taken only if they hold a task."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from sqlalchemy import func, select

from service.storage.tables import Example, Task
from tests.service.api.serving import assert_problem
from tests.service.tasks.digests import other_digest
from tests.service.tasks.forging import Arrays, Change, content_of, forged, taught
from tests.service.tasks.life import Life, assert_equal, pictures
from tests.service.tasks.test_readapting import living

SAFETENSORS = {"Content-Type": "application/vnd.safetensors"}
MORE: dict[str, dict[str, Any]] = {
    "vectors": {"input": [0.5] * 64, "label": "c"},
    "curves": {"input": [4.5], "target": -3.0},
    "glyphs": pictures()[1] | {"label": "c"},
}


async def post(life: Life, data: bytes, query: str = "", **headers: str) -> httpx.Response:
    return await life.client.post(f"/v1/tasks/import{query}", content=data, headers=SAFETENSORS | headers)


async def export(life: Life, task: str) -> bytes:
    answer = await life.client.get(f"{task}/export")
    assert answer.status_code == 200, answer.text
    return answer.content


async def num_rows(life: Life) -> tuple[int, int]:
    async with life.service.database.read() as session:
        tasks, examples = [await session.scalar(select(func.count()).select_from(each)) for each in (Task, Example)]
    return tasks or 0, examples or 0


async def test_from_sqlite_to_postgresql(sqlite_url: str, postgresql_url: str) -> None:
    async with living(sqlite_url, None) as here, living(postgresql_url, None) as there:
        for model, example in MORE.items():
            task = await here.create(model)
            await here.client.patch(task, json={"name": "ключ 🔑", "metadata": {"a": [1, None, "é"]}})
            data = await export(here, task)
            made = await post(there, data, **{"Idempotency-Key": model})
            assert (made.status_code, made.headers["ETag"]) == (201, '"1"'), made.text
            again = await post(there, data, **{"Idempotency-Key": model})
            assert (again.content, again.headers["Idempotency-Replayed"]) == (made.content, "true")
            new = made.headers["Location"]
            assert new != task
            shown, given = made.json(), (await here.client.get(task)).json()
            same = ("model", "model_digest", "name", "kind", "labels", "num_support", "metadata")
            assert {field: shown[field] for field in same} == {field: given[field] for field in same}
            assert (shown["version"], (await there.versions(new))[0]["origin"]) == (1, "import")
            assert_equal(await there.params(new), await here.params(task))
            asked = {"inputs": [example["input"]] * 2} | ({} if model == "curves" else {"coverage": 0.9})
            answers = [
                (await life.client.post(f"{path}/predictions", json=asked)).json()["predictions"]
                for life, path in ((here, task), (there, new))
            ]
            assert answers[0] == answers[1] and len(answers[0]) == 2
            for life, path in ((here, task), (there, new)):  # and they go on as one would
                assert (await life.extend(path, example)).status_code == 201
            assert_equal(await there.params(new), await here.params(task))
            header, other = content_of(await export(there, new)), content_of(await export(here, task))
            assert header["support"][:-1] == other["support"][:-1]
            assert header["provenance"]["support_digest"] == other["provenance"]["support_digest"]


async def test_an_export_is_counted_in_by_its_size_before_it_is_read(sqlite_url: str) -> None:
    async with living(sqlite_url, None) as life:
        for model in MORE:
            task, counted = await life.create(model), list[int]()
            data = (await life.service.tasks.exporting.task("default", task.rpartition("/")[2], counted.append)).data
            assert 0.5 * len(data) < counted[0] < len(data)


async def test_equal_files_have_one_tag(sqlite_url: str) -> None:
    async with living(sqlite_url, None) as life:
        task = await life.create("curves")
        one, two = [await life.client.get(f"{task}/export") for _ in range(2)]
        assert one.content == two.content and one.headers["ETag"] == two.headers["ETag"]
        tag = {"If-None-Match": one.headers["ETag"]}
        assert (await life.client.get(f"{task}/export", headers=tag)).status_code == 304
        await life.client.patch(task, json={"name": "n"})
        assert (await life.client.get(f"{task}/export", headers=tag)).status_code == 200


async def test_a_digest_that_is_not_loaded(database_url: str, tmp_path: Path) -> None:
    other_digest(tmp_path, "curves")
    other_digest(tmp_path, "vectors", inputs={"name": "vector", "dim": 8})
    async with living(database_url, tmp_path) as life:
        task = await life.create("curves")
        data = await export(life, task)
        rows = [{"input": [float(n % 2)] * 8, "label": "ab"[n % 2]} for n in range(4)]
        made = await life.client.post("/v1/tasks", json={"model": "vectors", "support": rows})
        vectors = await export(life, f"/v1/tasks/{made.json()['id']}")
    async with living(database_url, None) as life:
        before = await num_rows(life)
        assert_problem(await post(life, data), 409, "model_unavailable")
        assert_problem(await post(life, data, "?readapt=false"), 409, "model_unavailable")
        assert_problem(await post(life, vectors, "?readapt=true"), 409, "cannot_readapt")
        gone = forged(data, lambda content, _: content.update(model="gone"))
        assert_problem(await post(life, gone, "?readapt=true"), 409, "model_unavailable")
        assert_problem(await life.client.get(f"{task}/export"), 409, "model_unavailable")
        assert await num_rows(life) == before
        made = await post(life, data, "?readapt=true")
        assert made.status_code == 201, made.text
        assert made.json()["model_digest"] == (await life.client.get("/v1/models/curves")).json()["digest"]
        assert (await life.versions(made.headers["Location"]))[0]["origin"] == "import"
        assert_equal(await life.params(made.headers["Location"]), await life.params(await life.create("curves")))
        assert (await life.client.get(f"{task}/weights")).status_code == 200  # which need no model


async def test_an_export_holds_nothing_of_what_was_forgotten(database_url: str) -> None:
    async with living(database_url, None) as life:
        task, numbers = await life.create(), np.random.default_rng(5).normal(3, 1, 64).astype(np.float32)
        known = load(await export(life, task))
        secret = {"input": numbers.tolist(), "label": "a secret", "id": "its name"}
        assert (await life.extend(task, secret)).status_code == 201
        data = await export(life, task)
        traces = (numbers.tobytes(), b"a secret", b"its name")
        assert all(trace in data for trace in traces)
        await life.client.delete(f"{task}/support/its name")
        data = await export(life, task)
        assert not any(trace in data for trace in traces)
        assert_equal(load(data), known)


def shrink(array: str, axis: int = 0) -> Change:
    def change(content: dict[str, Any], arrays: Arrays) -> None:
        arrays[array] = np.ascontiguousarray(np.moveaxis(np.moveaxis(arrays[array], axis, 0)[:-1], 0, axis))

    return change


def without(array: str) -> Change:
    return lambda content, arrays: arrays.pop(array)


def both(*changes: Change) -> Change:
    return lambda content, arrays: [change(content, arrays) for change in changes]


def put(array: str, value: Any) -> Change:
    return lambda content, arrays: arrays.update({array: value})


def filled(array: str, value: float) -> Change:
    def change(content: dict[str, Any], arrays: Arrays) -> None:
        arrays[array].reshape(-1)[-1] = value

    return change


def told(field: str, value: Any) -> Change:
    return lambda content, arrays: content.update({field: value})


def row(number: int, **fields: Any) -> Change:
    return lambda content, arrays: content["support"][number].update(fields)


def relabelled(label: str) -> Change:
    def change(content: dict[str, Any], arrays: Arrays) -> None:
        content["support"][3]["label"] = label
        content["labels"] = list(dict.fromkeys(each["label"] for each in content["support"]))

    return change


def outlook(**changed: Any) -> Change:
    """What is told of the task, changed in some fields of what is expected or of the suspects, who are all alike."""
    expected: dict[str, Any] = {"middle": 0.5, "low": 0.2, "high": 0.8, "level": 0.9}
    suspect: dict[str, Any] = {"row": 0, "instead": "b", "probability": 0.9}
    expected |= {name: changed[name] for name in expected.keys() & changed.keys()}
    suspect |= {name: changed[name] for name in suspect.keys() & changed.keys()}
    return told("outlook", {"expected": expected, "suspects": [suspect] * changed.get("times", 1)})


HOSTILE: dict[str, tuple[Change, str]] = {
    "no inputs": (without("inputs"), "inputs"),
    "too few inputs": (shrink("inputs"), "inputs"),
    "narrow inputs": (shrink("inputs", 1), "inputs"),
    "inputs of a type": (lambda content, arrays: arrays.update(inputs=arrays["inputs"].astype("float64")), "inputs"),
    "inputs of zeros": (put("inputs", np.zeros((0, 64), np.float32)), "inputs"),
    "NaN": (filled("inputs", np.nan), "inputs.5"),
    "infinity": (filled("inputs", -np.inf), "inputs.5"),
    "huge": (filled("inputs", 1e20), "inputs.5"),
    "features of nothing": (put("features", np.zeros((6, 64), np.float32)), "features"),
    "an array more": (put("more", np.zeros(3)), "more"),
    "a leaf more": (put("params/more", np.zeros(3, np.float32)), "params"),
    "a leaf less": (without("params/bias"), "params"),
    "a narrow leaf": (shrink("params/weight", 1), "params"),
    "all leaves narrow": (both(shrink("params/weight", 1), shrink("params/centre")), "params"),
    "leaves of fewer labels": (
        both(shrink("params/weight"), shrink("params/bias"), shrink("params/ways")),
        "params",
    ),
    "a leaf of a type": (put("params/bias", np.zeros(2, np.int64)), "params"),
    "a leaf that is NaN": (filled("params/weight", np.nan), "params"),
    "params that overflow": (filled("params/weight", 3e38), "params"),
    "a way that is none": (filled("params/ways", False), "params/ways"),
    "a bool of three": (put("params/ways", np.array([1, 3], np.uint8).view(np.bool_)), "params/ways"),
    "labels in another order": (told("labels", ["b", "a"]), "labels"),
    "a label more": (told("labels", ["a", "b", "c"]), "labels"),
    "no labels": (told("labels", None), "labels"),
    "labels that look alike": (relabelled("ａ"), "support.3.label"),
    "a label with spaces": (relabelled("a "), "support.3.label"),
    "a blank label": (row(3, label=" "), "support.3.label"),
    "a label with NUL": (row(3, label="\0"), "support.3.label"),
    "a label that is none": (row(3, label=None), "support.3.label"),
    "a target": (row(3, target=1.0), "support.3.target"),
    "an id twice": (lambda content, arrays: row(3, id=content["support"][0]["id"])(content, arrays), "support.3.id"),
    "an id that is a path": (row(0, id=".."), "support.0.id"),
    "a field more": (row(0, input=[1.0]), "support.0.input"),
    "one label": (
        lambda content, arrays: content.update(
            labels=["a"], support=[each | {"label": "a"} for each in content["support"]]
        ),
        "support",
    ),
    "too many labels": (
        lambda content, arrays: content.update(support=[each | {"label": each["id"]} for each in content["support"]]),
        "support",
    ),
    "too many examples": (lambda content, arrays: taught(content, arrays, 3), "support"),
    "no examples": (told("support", []), "support"),
    "another model": (told("model", "curves"), "model"),
    "another kind": (told("kind", "regression"), "kind"),
    "an unknown kind": (told("kind", "magic"), "kind"),
    "a digest of letters": (told("model_digest", "x"), "model_digest"),
    "coverages that fall": (told("thresholds", [[0.9, -1.0], [0.8, -2.0]]), "thresholds"),
    "coverages alike": (told("thresholds", [[0.9, -1.0], [0.9, -2.0]]), "thresholds"),
    "a threshold beyond all sense": (told("thresholds", [[0.9, 1e308]]), "thresholds"),
    "a coverage of one": (told("thresholds", [[1.0, -1.0]]), "thresholds"),
    "a suspect that is nowhere": (outlook(row=6), "outlook.suspects.0.row"),
    "a suspect by a name": (outlook(row="a"), "outlook.suspects.0.row"),
    "a label of nobody": (outlook(instead="c"), "outlook.suspects.0.instead"),
    "its own label": (outlook(instead="a"), "outlook.suspects.0.instead"),
    "a suspect twice": (outlook(times=2), "outlook.suspects"),
    "a probability of two": (outlook(probability=2.0), "outlook.suspects.0.probability"),
    "ends the wrong way": (outlook(low=0.9, high=0.1), "outlook.expected"),
    "less than nothing": (outlook(low=-0.1), "outlook.expected"),
    "more than all": (outlook(high=1.1), "outlook.expected.high"),
    "a temperature of nothing": (told("temperature", 0.0), "temperature"),
    "metadata of NUL": (told("metadata", {"a": "\0"}), "metadata"),
    "deep metadata": (told("metadata", {"a": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}), "metadata"),
    "a number for a name": (told("name", 3), "name"),
    "a huge seed": (lambda content, arrays: content["provenance"].update(seed=2**63), "provenance.seed"),
    "libraries of objects": (lambda content, arrays: content["provenance"].update(libraries={"a": {}}), "provenance"),
}


@pytest.fixture
async def life(sqlite_url: str) -> AsyncIterator[Life]:
    async with living(sqlite_url, None, max_ways=4, max_examples=14, max_inputs=14) as life:
        yield life


async def test_hostile_files_are_refused_with_what_and_where(life: Life) -> None:
    data = await export(life, await life.create())
    before = await num_rows(life)
    for name, (change, path) in HOSTILE.items():
        answer = await post(life, forged(data, change))
        assert answer.status_code == 422, (name, answer.text)
        assert answer.json()["errors"][0]["path"].startswith(path), (name, answer.text)
    other = forged(data, lambda content, arrays: None)
    assert (await post(life, other)).status_code == 201  # so that it was not for the forging
    assert await num_rows(life) == (before[0] + 1, before[1] + 6)


def framed(header: bytes, rest: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


EMPTY = b'{"__metadata__":{"kshot":"{}"}}'
BROKEN = {
    "nothing": b"",
    "a text": b"hello, I am a task" * 9,
    "a length beyond": (2**63).to_bytes(8, "little") + b"{}",
    "a length beyond by one": framed(b"{}")[:-1],
    "no metadata": framed(b"{}"),
    "a list": framed(b"[]"),
    "deep": framed(b"[" * 90_000),
    "names without end": framed(b"{" + b",".join(b'"%d":{}' % n for n in range(60_000)) + b"}"),
    "a number": framed(b'{"__metadata__":{"kshot":1}}'),
    "no JSON within": framed(b'{"__metadata__":{"kshot":"{"}}'),
    "a list within": framed(b'{"__metadata__":{"kshot":"[]"}}'),
    "half a character": framed(b'{"__metadata__":{"kshot":"\\ud800"}}'),
    "a later format": framed(b'{"__metadata__":{"kshot":"{\\"format\\":2}"}}'),
    "other weights": save({"w": np.zeros(3)}),
    "a type that numpy lacks": framed(b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},' + EMPTY[1:], b"00"),
    "a shape that overflows": framed(
        b'{"w":{"dtype":"U8","shape":[9223372036854775807,9,0],"data_offsets":[0,0]},' + EMPTY[1:]
    ),
}


async def test_what_is_no_task_is_refused(life: Life) -> None:
    data = await export(life, await life.create())
    before = await num_rows(life)
    for name, broken in BROKEN.items():
        assert (await post(life, broken)).status_code in (413, 422), name
    assert_problem(await post(life, data, **{"Content-Type": "application/json"}), 415, "unsupported_media_type")
    assert_problem(await post(life, data, **{"Content-Encoding": "gzip"}), 415, "unsupported_media_type")
    assert_problem(await post(life, data, "?readapt=perhaps"), 422, "invalid_request")
    assert_problem(await post(life, data, "?wrong=1"), 422, "invalid_request")
    assert await num_rows(life) == before
    assert (await post(life, data, **{"Content-Type": "application/octet-stream"})).status_code == 201


@dataclass(frozen=True)
class Exported:
    """A service, a file from it, and how many rows it had then."""

    life: Life
    data: bytes
    rows: tuple[int, int]


@pytest.fixture
async def exported(life: Life) -> Exported:
    return Exported(life, await export(life, await life.create("curves")), await num_rows(life))


SPACE = ord(" ")
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


async def test_damage_is_told(exported: Exported) -> None:
    data = exported.data
    for damaged in (data[:-1] + bytes([data[-1] ^ 1]), data.replace(b"curves", b"curvez", 1)):
        assert "damaged" in assert_problem(await post(exported.life, damaged), 422, "invalid_request")["detail"]


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(share=st.floats(0, 1, exclude_max=True), mask=st.integers(0, 255))
async def test_a_file_that_is_damaged_leaves_nothing(exported: Exported, share: float, mask: int) -> None:
    data, at = exported.data, int(share * len(exported.data))
    assume(data[at] != SPACE or SPACE ^ mask not in b"\t\n\r")  # which mean the same in the padding of the header
    damaged = data[:at] + (bytes([data[at] ^ mask]) + data[at + 1 :] if mask else b"")  # no mask: cut there
    answer = await post(exported.life, damaged)
    assert answer.status_code in (413, 422), (at, mask, answer.text)
    assert await num_rows(exported.life) == exported.rows


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(data=st.data())
async def test_a_header_of_anything_is_a_clear_answer(exported: Exported, data: st.DataObject) -> None:
    def change(content: dict[str, Any], arrays: Arrays) -> None:
        place: Any = content
        while True:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
                break
            place = place[key]
        place[key] = data.draw(JSON)

    answer = await post(exported.life, forged(exported.data, change))
    assert answer.status_code in (201, 409, 413, 422), answer.text
