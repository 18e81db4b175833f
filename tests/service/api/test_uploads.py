"""Forms with files in them: the same task as by JSON, the same errors in the same words, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from shutil import copy
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.service.api.serving import assert_problem, curve, input_dim, picture, serving, vectors
from tests.service.api.test_forms import BOUNDARY, form, part
from tests.service.codec.pictures import saved, stroke
from tests.service.samples import make_key

TALL, WIDE = saved(stroke((30, 60))), saved(stroke((60, 20)))
File = tuple[str, tuple[str, bytes]]
FILES: list[File] = [("tall", ("1.png", TALL)), ("wide", ("1.png", WIDE)), ("tall", ("2.png", TALL))]
LABELS = ["tall", "wide", "tall"]
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
LIMITS = {"max_ways": 5, "max_examples": 20, "max_inputs": 4, "max_body_mib": 1, "max_image_megapixels": 0.01}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(database_url, "curves", "glyphs", "vectors", **LIMITS) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """One service for all that is refused."""
    path = copy(sqlite_template, tmp_path_factory.mktemp("forms") / "kshot.db")
    async with serving(f"sqlite+aiosqlite:///{path}", "curves", "glyphs", "vectors", **LIMITS) as client:
        yield client


async def create(
    client: httpx.AsyncClient, files: Sequence[File] = FILES, model: str = "glyphs", **options: Any
) -> httpx.Response:
    return await client.post("/v1/tasks", files=files, data={"model": model} | options.pop("data", {}), **options)


async def count(client: httpx.AsyncClient) -> int:
    return len((await client.get("/v1/tasks")).json()["items"])


def as_json(files: Sequence[File], labels: Sequence[str]) -> list[dict[str, Any]]:
    return [{"input": picture(data), "label": label} for (_, (_, data)), label in zip(files, labels, strict=True)]


async def test_a_form_is_the_same_as_json(client: httpx.AsyncClient) -> None:
    fields = {"name": "é", "metadata": '{"a": [1, null]}'}
    sent = await create(client, data=fields)
    assert sent.status_code == 201, sent.text
    body = {"model": "glyphs", "name": "é", "metadata": {"a": [1, None]}, "support": as_json(FILES, LABELS)}
    tasks = [sent, await client.post("/v1/tasks", json=body)]
    own = ("id", "created_at", "updated_at", "timing", "example_ids")
    told = [{**each.json(), **dict.fromkeys(own)} for each in tasks]
    assert told[0] == told[1] and told[0]["labels"] == ["tall", "wide"]
    assert sent.headers["location"] == f"/v1/tasks/{sent.json()['id']}" and sent.headers["etag"] == '"1"'

    more: list[File] = [("square", ("3.png", saved(stroke((40, 40))))), ("wide", ("4.png", WIDE))]
    by_form = await client.post(f"{tasks[0].headers['location']}/support", files=more, headers={"If-Match": '"1"'})
    by_json = await client.post(
        f"{tasks[1].headers['location']}/support", json={"support": as_json(more, ["square", "wide"])}
    )
    assert by_form.status_code == by_json.status_code == 201, by_form.text
    assert by_form.json()["labels"] == by_json.json()["labels"] == ["tall", "wide", "square"]
    assert len(by_form.json()["example_ids"]) == 2

    urls = [f"{each.headers['location']}/versions" for each in tasks]
    digests = [[version["support_digest"] for version in (await client.get(url)).json()["items"]] for url in urls]
    assert digests[0] == digests[1] and len(digests[0]) == 2

    urls = [f"{each.headers['location']}/predictions" for each in tasks]
    asked: list[File] = [("a", ("x.png", TALL)), ("b", ("x.png", WIDE)), ("a", ("y.png", TALL))]
    answers = [
        await client.post(urls[0], files=asked, data={"top": "1"}),
        await client.post(urls[1], json={"inputs": [picture(data) for _, (_, data) in asked], "top": 1}),
    ]
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].json()["predictions"] == answers[1].json()["predictions"]

    urls = [f"{each.headers['location']}/evaluations" for each in tasks]
    answers = [
        await client.post(urls[0], files=FILES, data={"version": "1"}),
        await client.post(urls[1], json={"examples": as_json(FILES, LABELS), "version": 1}),
    ]
    assert answers[0].status_code == 200, answers[0].text
    told = [{**each.json(), "task": "", "timing": ""} for each in answers]
    assert told[0] == told[1] and told[0]["accuracy"] == 1


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("field", ["file", "files", "support"])
async def test_a_folder_is_a_label(limited: httpx.AsyncClient, field: str) -> None:
    names = ["tall/1.png", "set/wide/1.png", "C:\\x\\tall\\1.png".removeprefix("C:\\")]
    made = await create(limited, [(field, (name, data)) for name, (_, (_, data)) in zip(names, FILES, strict=True)])
    assert made.status_code == 201, made.text
    assert made.json()["labels"] == ["tall", "wide"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("labels", [("model", "name"), ("é🦊", "a;b'c"), ("top", "metadata"), ("a/b", "a\\b")])
async def test_any_name_of_a_field_is_a_label(limited: httpx.AsyncClient, labels: tuple[str, str]) -> None:
    made = await create(limited, [(labels[0], ("x/1.png", TALL)), (labels[1], ("x/1.png", WIDE))])
    assert made.status_code == 201, made.text
    assert made.json()["labels"] == list(labels)


INVALID = "invalid_request"
STATUS = {
    "invalid_form": 400,
    "model_not_found": 404,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    INVALID: 422,
    "limit_exceeded": 422,
}

GIF, LARGE = saved(stroke(), "GIF"), saved(stroke((200, 100)))
BAD: list[tuple[str, Sequence[File], dict[str, Any], str, list[str]]] = [
    ("one label", FILES[:1], {}, INVALID, ["support"]),
    ("a GIF", [*FILES, ("wide", ("x.gif", GIF))], {}, INVALID, ["support.3.input"]),
    ("an empty file", [*FILES, ("wide", ("4.png", b""))], {}, INVALID, ["support.3.input"]),
    ("an empty label", [*FILES, ("", ("1.png", TALL))], {}, INVALID, ["support.3.label"]),
    ("a blank label", [*FILES, (" ", ("1.png", TALL))], {}, INVALID, ["support.3.label"]),
    ("look-alikes", [*FILES, ("ｔall", ("1.png", TALL))], {}, INVALID, ["support.3.label"]),
    ("no folder", [*FILES, ("file", ("1.png", TALL))], {}, INVALID, ["support.3.label"]),
    ("a root", [*FILES, ("file", ("/1.png", TALL))], {}, INVALID, ["support.3.label"]),
    ("a step up", [*FILES, ("file", ("a/../1.png", TALL))], {}, INVALID, ["support.3.label"]),
    ("too many ways", [(way, ("1.png", TALL)) for way in "abcdef"], {}, "limit_exceeded", ["support"]),
    ("too many files", FILES * 7, {}, "limit_exceeded", ["support"]),
    ("far too many files", FILES * 50, {}, "body_too_large", []),
    ("a large picture", [("a", ("1.png", LARGE)), *FILES], {}, INVALID, ["support.0.input"]),
    ("too many bytes", [("a", ("1.png", b"x" * 2**20))], {}, "body_too_large", []),
    ("an unknown model", FILES, {"model": "nope"}, "model_not_found", []),
    ("two models", FILES, {"model": ["glyphs", "vectors"]}, INVALID, ["model"]),
    ("images for vectors", FILES, {"model": "vectors"}, INVALID, [f"support.{row}.input" for row in range(3)]),
    ("images for curves", FILES[:1], {"model": "curves"}, INVALID, ["support.0.input"]),
    ("an unknown field", FILES, {"colour": "red"}, INVALID, ["colour"]),
    ("a file without a name", FILES, {"tall": "@1.png"}, INVALID, ["tall"]),
    ("support as text", FILES, {"support": "[]"}, INVALID, ["support"]),
    ("top here", FILES, {"top": "1"}, INVALID, ["top"]),
    ("an empty name", FILES, {"name": ""}, INVALID, ["name"]),
    ("a long name", FILES, {"name": "x" * 100_000}, INVALID, ["name"]),
    ("metadata not JSON", FILES, {"metadata": "{"}, INVALID, ["metadata"]),
    ("metadata a list", FILES, {"metadata": "[]"}, INVALID, ["metadata"]),
    ("metadata too deep", FILES, {"metadata": '{"a":' * 30 + "1" + "}" * 30}, INVALID, ["metadata"]),
    ("metadata far too deep", FILES, {"metadata": "[" * 60_000}, INVALID, ["metadata"]),
    ("metadata too large", FILES, {"metadata": '{"a": "' + "x" * 17_000 + '"}'}, INVALID, ["metadata"]),
    ("metadata with NaN", FILES, {"metadata": '{"a": NaN}'}, INVALID, ["metadata"]),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "files", "data", "code", "paths"), BAD, ids=[each[0] for each in BAD])
async def test_bad_fields(
    limited: httpx.AsyncClient,
    name: str,
    files: Sequence[File],
    data: dict[str, Any],
    code: str,
    paths: list[str],
) -> None:
    before = await count(limited)
    problem = assert_problem(await create(limited, files, data=data), STATUS[code], code)
    assert [error["path"] for error in problem["errors"]] == paths, problem
    assert await count(limited) == before


GOOD = form(part(b"model", b"glyphs"), part(b"a", TALL, b"1"), part(b"b", WIDE, b"2"))
WITHOUT = b"--" + BOUNDARY + b"\r\n"
HOSTILE: dict[str, tuple[bytes, dict[str, str], str]] = {
    "no boundary": (GOOD, {"Content-Type": "multipart/form-data"}, "invalid_form"),
    "an empty boundary": (GOOD, {"Content-Type": "multipart/form-data; boundary="}, "invalid_form"),
    "a long boundary": (GOOD, {"Content-Type": f"multipart/form-data; boundary={'x' * 999}"}, "invalid_form"),
    "another boundary": (GOOD, {"Content-Type": "multipart/form-data; boundary=other"}, "invalid_form"),
    "empty": (b"", HEADERS, "invalid_form"),
    "JSON": (b'{"model": "glyphs"}', HEADERS, "invalid_form"),
    "cut in a file": (GOOD[:-200], HEADERS, "invalid_form"),
    "cut in the last boundary": (GOOD[:-5], HEADERS, "invalid_form"),
    "cut in a header": (GOOD[:30], HEADERS, "invalid_form"),
    "bare newlines": (GOOD.replace(b"\r\n", b"\n"), HEADERS, "invalid_form"),
    "a preamble": (b"hello\r\n" + GOOD, HEADERS, "invalid_form"),
    "padding": (GOOD.replace(BOUNDARY + b"\r\n", BOUNDARY + b"  \r\n"), HEADERS, "invalid_form"),
    "no headers": (form(WITHOUT + b"\r\nx\r\n"), HEADERS, "invalid_form"),
    "no name": (form(WITHOUT + b"Content-Disposition: form-data\r\n\r\nx\r\n"), HEADERS, "invalid_form"),
    "an attachment": (form(part(b"a", TALL, b"1").replace(b"form-data", b"attachment")), HEADERS, "invalid_form"),
    "a huge header": (form(part(b"a", TALL, b"1", b"X: " + b"y" * 99_999 + b"\r\n")), HEADERS, "invalid_form"),
    "a huge label": (form(part(b"a" * 99_999, TALL, b"1")), HEADERS, "invalid_form"),
    "many headers": (form(part(b"a", TALL, b"1", b"X: y\r\n" * 1000)), HEADERS, "invalid_form"),
    "a label in Latin-1": (form(part(b"\xe9", TALL, b"1")), HEADERS, "invalid_form"),
    "a file name in Latin-1": (form(part(b"a", TALL, b"\xe9")), HEADERS, "invalid_form"),
    "a field in another charset": (
        form(part(b"model", b"glyphs", None, b"Content-Type: text/plain; charset=utf-16\r\n")),
        HEADERS,
        "invalid_form",
    ),
    "a field in Latin-1": (form(part(b"model", b"\xe9")), HEADERS, INVALID),
    "only a long file name": (
        form(part(b"a", TALL).replace(b'"a"', b"\"a\"; filename*=utf-8''1.png")),
        HEADERS,
        INVALID,
    ),
    "a form in a form": (
        form(part(b"support", GOOD.replace(BOUNDARY, b"in"), None, b"Content-Type: multipart/mixed; boundary=in\r\n")),
        HEADERS,
        INVALID,
    ),
    "a form as a file": (GOOD.replace(TALL, GOOD.replace(BOUNDARY, b"in")), HEADERS, INVALID),
    "nothing in it": (form(), HEADERS, INVALID),
    "a null label": (GOOD.replace(b'"a"', b'"\0"'), HEADERS, INVALID),
    "a hundred parts without a name": (form(WITHOUT * 100), HEADERS, "invalid_form"),
    "fifty thousand parts": (form(part(b"a", b"") * 50_000), HEADERS, "body_too_large"),
    "mixed": (GOOD, {"Content-Type": HEADERS["Content-Type"].replace("form-data", "mixed")}, "unsupported_media_type"),
    "another charset": (
        GOOD,
        {"Content-Type": HEADERS["Content-Type"] + "; charset=latin-1"},
        "unsupported_media_type",
    ),
    "compressed": (GOOD, HEADERS | {"Content-Encoding": "gzip"}, "unsupported_media_type"),
    "a plain form": (b"model=glyphs", {"Content-Type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
    "a file alone": (TALL, {"Content-Type": "image/png"}, "unsupported_media_type"),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_forms(limited: httpx.AsyncClient, name: str) -> None:
    content, headers, code = HOSTILE[name]
    task = (await create(limited)).json()["id"]
    before = await count(limited)
    paths = ["/v1/tasks", f"/v1/tasks/{task}/support", f"/v1/tasks/{task}/predictions"]
    for path in paths:
        for more in ({}, {"Idempotency-Key": "one"}):
            answer = await limited.post(path, content=content, headers=headers | more)
            assert_problem(answer, STATUS[code], code)
    assert await count(limited) == before and (await limited.get(f"/v1/tasks/{task}")).json()["version"] == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_only_what_takes_files_takes_forms(limited: httpx.AsyncClient) -> None:
    made = await create(limited)
    answer = await limited.patch(made.headers["location"], content=form(part(b"name", b"x")), headers=HEADERS)
    assert_problem(answer, 415, "unsupported_media_type")


async def test_a_form_sent_again(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    first, again = [await create(client, headers=key) for _ in range(2)]  # each under a boundary of its own
    assert first.status_code == again.status_code == 201, again.text
    assert again.content == first.content and again.headers["idempotency-replayed"] == "true"
    assert_problem(await create(client, FILES[::-1], headers=key), 422, "idempotency_key_reused")
    assert_problem(await create(client, data={"name": "x"}, headers=key), 422, "idempotency_key_reused")
    racing = await asyncio.gather(*(create(client, headers={"Idempotency-Key": "two"}) for _ in range(4)))
    assert len({answer.json()["id"] for answer in racing}) == 1
    assert await count(client) == 2


@pytest.mark.asyncio(loop_scope="module")
async def test_a_boundary_of_one_letter(limited: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=a", "Idempotency-Key": "pieces"}
    for path in ("/v1/tasks", "/v1/tasks/import"):  # a key is looked at before the type of the body
        answer = await limited.post(path, content=b"--a" * 2**19, headers=headers)
        assert_problem(answer, 413, "body_too_large")
    headers |= {"Content-Type": "multipart/form-data"}
    answer = await limited.post("/v1/tasks/import", content=b"", headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


async def test_a_form_as_a_job(client: httpx.AsyncClient) -> None:
    accepted = await create(client, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    async with asyncio.timeout(120):
        while (job := (await client.get(accepted.headers["location"])).json())["state"] in ("queued", "running"):
            await asyncio.sleep(0.05)
    assert job["state"] == "succeeded", job
    assert (await client.get("/v1/tasks")).json()["items"][0]["labels"] == ["tall", "wide"]


async def test_forms_need_keys_too(sqlite_url: str) -> None:
    owner, other = [str(await make_key(sqlite_url, "admin", tenant=tenant)) for tenant in ("owner", "other")]
    async with serving(sqlite_url, "curves", "glyphs", "vectors", auth="on") as client:
        assert_problem(await create(client), 401, "unauthenticated")
        made = await create(client, headers={"Authorization": f"Bearer {owner}"})
        for tail in ("/support", "/predictions"):
            bodies: list[dict[str, Any]] = [{"files": FILES}, {"content": b"", "headers": HEADERS}]
            for body in bodies:
                headers = body.pop("headers", {}) | {"Authorization": f"Bearer {other}"}
                answer = await client.post(made.headers["location"] + tail, headers=headers, **body)
                assert_problem(answer, 404, "task_not_found")


@pytest.mark.asyncio(loop_scope="module")
async def test_vectors_still_come_by_json(limited: httpx.AsyncClient) -> None:
    dim = (await limited.get("/v1/models/vectors")).json()["input_dim"]
    made = await limited.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})
    answer = await limited.post(f"{made.headers['location']}/predictions", files=FILES)
    assert_problem(answer, 422, INVALID)


@pytest.mark.asyncio(loop_scope="module")
async def test_files_to_a_model_of_no_images_are_told_to_be_json(limited: httpx.AsyncClient) -> None:
    problem = assert_problem(await create(limited, model="vectors"), 422, INVALID)
    assert problem["errors"][0]["path"] == "support.0.input"
    assert "expected a list of numbers, got a file: only models of images take forms" in problem["detail"]
    named = assert_problem(await create(limited, [("file", ("mine.csv", b"1,2"))], "vectors"), 422, INVALID)
    assert "only models of images take files, to others send JSON" in named["detail"]
    values = assert_problem(await create(limited, model="curves"), 422, INVALID)
    assert [each["path"] for each in values["errors"]] == [f"support.{place}.input" for place in range(len(FILES))]
    assert "is a file, which carries a label and no target: files are not taken here, send JSON" in values["detail"]
    line = (await limited.post("/v1/tasks", json={"model": "curves", "support": curve()})).headers["location"]
    for tail, place in (("support", "support.0.input"), ("evaluations", "examples.0.input")):
        answer = await limited.post(f"{line}/{tail}", files=FILES[:1])
        assert f"{place}: is a file" in assert_problem(answer, 422, INVALID)["detail"]
    made = await limited.post("/v1/tasks", json={"model": "vectors", "support": vectors(await input_dim(limited))})
    asked = await limited.post(f"/v1/tasks/{made.json()['id']}/predictions", files=[("inputs", ("1.png", TALL))])
    assert "inputs.0: expected a list of numbers, got a file" in assert_problem(asked, 422, INVALID)["detail"]
