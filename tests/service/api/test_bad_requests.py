"""Every bad request: a clear 4xx, the path of what is wrong, and nothing left behind."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.service.api.serving import JSON, assert_problem, curve, input_dim, picture, serving, vectors
from tests.service.codec.pictures import SVG, png_of_size, saved, stroke

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = {"max_ways": 5, "max_examples": 20, "max_inputs": 4, "max_body_mib": 1, "max_image_megapixels": 0.01}


@dataclass(frozen=True)
class Service:
    """A running service, a task in it that stays, and the width of its vectors."""

    client: httpx.AsyncClient
    task: str
    dim: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    path = copy(sqlite_template, tmp_path_factory.mktemp("bad") / "kshot.db")
    async with serving(f"sqlite+aiosqlite:///{path}", **LIMITS) as client:
        dim = await input_dim(client)
        made = await client.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})
        yield Service(client, made.json()["id"], dim)


Body = dict[str, Any]
Change = Callable[[Body, int], object]


@dataclass(frozen=True)
class Case:
    """A good request, changed in one way; what must be answered, and which fields must be named."""

    name: str
    change: Change
    paths: tuple[str, ...]
    model: str = "vectors"
    code: str = "invalid_request"
    status: int = 422


def put(path: str, value: object) -> Change:
    """Set one field of the body, such as support.1.label."""

    def change(body: Body, dim: int) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = body
        for part in parents:
            place = place[part]
        place[last] = value

    return change


def drop(path: str, name: str) -> Change:
    def change(body: Body, dim: int) -> None:
        del (body[path][0] if path else body)[name]

    return change


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


FIRST = "support.0"
INPUT = "support.0.input"
ADAPT = [
    Case("no support", drop("", "support"), ("support",)),
    Case("no model", drop("", "model"), ("model",)),
    Case("empty support", put("support", []), ("support",)),
    Case("support is an object", put("support", {}), ("support",)),
    Case("example is a number", put(FIRST, 1), (FIRST,)),
    Case("example is null", put(FIRST, None), (FIRST,)),
    Case("unknown field", put("colour", 1), ("colour",)),
    Case("unknown field of an example", put("support.0.weight", 1), ("support.0.weight",)),
    Case("unknown model", put("model", "nope"), (), code="model_not_found", status=404),
    Case("model is a number", put("model", 5), ("model",)),
    Case("empty model", put("model", ""), ("model",)),
    Case("name too long", put("name", "x" * 201), ("name",)),
    Case("name with a null byte", put("name", "a\0b"), ("name",)),
    Case("blank name", put("name", " "), ("name",)),
    # labels
    Case("one label only", lambda body, dim: body.update(support=vectors(dim, "a")), ("support",)),
    Case("no label", drop("support", "label"), ("support.0.label",)),
    Case("null label", put("support.0.label", None), ("support.0.label",)),
    Case("empty label", put("support.0.label", ""), ("support.0.label",)),
    Case("blank label", put("support.0.label", "\u3000\t"), ("support.0.label",)),
    Case("label too long", put("support.0.label", "é" * 201), ("support.0.label",)),
    Case("label is a number", put("support.0.label", 7), ("support.0.label",)),
    Case("label is a boolean", put("support.0.label", True), ("support.0.label",)),
    Case("label with a null byte", put("support.0.label", "\0"), ("support.0.label",)),
    Case("labels that look alike", put("support.5.label", "ａ"), ("support.5.label",)),
    Case("label and target", put("support.0.target", 1), ("support.0.target",)),
    Case("target for a classifier", put(FIRST, {"input": [1], "target": 1}), ("support.0.label", "support.0.target")),
    Case("an id that is a step in a path", lambda body, dim: body["support"][1].update(id=".."), ("support.1.id",)),
    Case("duplicate ids", lambda body, dim: [row.update(id="x") for row in body["support"][:2]], ("support.1.id",)),
    Case("empty id", put("support.0.id", ""), ("support.0.id",)),
    Case("id with a null byte", put("support.0.id", "\0"), ("support.0.id",)),
    # limits
    Case(
        "too many ways",
        lambda body, dim: body.update(support=vectors(dim, "abcdef")),
        ("support",),
        code="limit_exceeded",
    ),
    Case(
        "too many examples",
        lambda body, dim: body.update(support=vectors(dim, "ab", 11)),
        ("support",),
        code="limit_exceeded",
    ),
    # vectors
    Case("vector too short", put(INPUT, [1.0]), (INPUT,)),
    Case("vector too long", put(INPUT, [1.0] * 5000), (INPUT,)),
    Case("empty vector", put(INPUT, []), (INPUT,)),
    Case("a text in a vector", put(INPUT, [1, "2"]), ("support.0.input.1",)),
    Case("null in a vector", put(INPUT, [None, 1]), ("support.0.input.0",)),
    Case("a boolean in a vector", put(INPUT, [True]), ("support.0.input.0",)),
    Case("a list in a vector", put(INPUT, [[1.0]]), ("support.0.input.0",)),
    Case("NaN in a vector", put(INPUT, [float("nan")]), ("support.0.input.0",)),
    Case("infinity in a vector", put(INPUT, [float("-inf")]), ("support.0.input.0",)),
    Case("numbers too large to square", lambda body, dim: put(INPUT, [1e300] * dim)(body, dim), (INPUT,)),
    # kinds of input
    Case("input is a number", put(INPUT, 1), (INPUT,)),
    Case("input is null", put(INPUT, None), (INPUT,)),
    Case("input is a boolean", put(INPUT, False), (INPUT,)),
    Case("input is an empty object", put(INPUT, {}), ("support.0.input.image",)),
    Case("no input", drop("support", "input"), (INPUT,)),
    Case("a text for vectors", put(INPUT, "hello"), (INPUT,)),
    Case("an image for vectors", put(INPUT, picture()), (INPUT,)),
    Case("an image as a number", put(INPUT, {"image": 1}), ("support.0.input.image",)),
    Case("an image with more", put(INPUT, picture() | {"url": "x"}), ("support.0.input.url",)),
    # metadata
    Case("metadata is a list", put("metadata", []), ("metadata",)),
    Case("metadata too large", put("metadata", {"a": "x" * 17_000}), ("metadata",)),
    Case("metadata too deep", put("metadata", nested(30)), ("metadata",)),
    Case("metadata with NaN", put("metadata", {"a": [float("nan")]}), ("metadata",)),
    Case("metadata with a null byte", put("metadata", {"a": {"\0": 1}}), ("metadata",)),
    # regression
    Case("label for a curve", put("support.0.label", "a"), ("support.0.label",), "curves"),
    Case("no target", drop("support", "target"), ("support.0.target",), "curves"),
    Case("target is a text", put("support.0.target", "1"), ("support.0.target",), "curves"),
    Case("target is a boolean", put("support.0.target", True), ("support.0.target",), "curves"),
    Case("NaN target", put("support.0.target", float("nan")), ("support.0.target",), "curves"),
    Case("infinity in a target", put("support.0.target", [float("inf")]), ("support.0.target.0",), "curves"),
    Case("empty target", put("support.0.target", []), ("support.0.target",), "curves"),
    Case("targets of two shapes", put("support.1.target", [1.0]), ("support.1.target",), "curves"),
    Case(
        "seconds since 1970",
        lambda body, dim: [row.update(input=[row["input"][0] + 1.7e9]) for row in body["support"]],
        ("support.0.input.0",),
        "curves",
    ),
    Case("target too large to square", put("support.1.target", 1e200), ("support.1.target",), "curves"),
    # images
    Case("a text for images", put(INPUT, "hello"), (INPUT,), "glyphs"),
    Case("a vector for images", put(INPUT, [1.0]), (INPUT,), "glyphs"),
    Case("not base64", put(INPUT, {"image": "%%%"}), (INPUT,), "glyphs"),
    Case("a data URL", put(INPUT, {"image": f"data:image/png;base64,{picture()['image']}"}), (INPUT,), "glyphs"),
    Case("base64 cut short", put(INPUT, {"image": picture()["image"][:-3]}), (INPUT,), "glyphs"),
    Case("an empty image", put(INPUT, {"image": ""}), (INPUT,), "glyphs"),
    Case("not an image", put(INPUT, picture(b"GIF89a, or so it says")), (INPUT,), "glyphs"),
    Case("a GIF", put(INPUT, picture(saved(stroke(), "GIF"))), (INPUT,), "glyphs"),
    Case("an SVG", put(INPUT, picture(SVG)), (INPUT,), "glyphs"),
    Case("a truncated PNG", put(INPUT, picture(saved(stroke())[:-40])), (INPUT,), "glyphs"),
    Case("a truncated JPEG", put(INPUT, picture(saved(stroke((90, 90)), "JPEG")[:-40])), (INPUT,), "glyphs"),
    Case("too many pixels", put(INPUT, picture(saved(stroke((101, 100))))), (INPUT,), "glyphs"),
    Case("a decompression bomb", put(INPUT, picture(png_of_size(60_000, 60_000))), (INPUT,), "glyphs"),
    Case("an image of zero size", put(INPUT, picture(png_of_size(0, 0))), (INPUT,), "glyphs"),
    Case(
        "two bad images",
        lambda body, dim: [put(f"support.{row}.input", picture(SVG))(body, dim) for row in (0, 2)],
        ("support.0.input", "support.2.input"),
        "glyphs",
    ),
]

PREDICT = [
    Case("no inputs", drop("", "inputs"), ("inputs",)),
    Case("empty inputs", put("inputs", []), ("inputs",)),
    Case("inputs is a text", put("inputs", "abc"), ("inputs",)),
    Case("too many inputs", put("inputs", [[1.0]] * 5), ("inputs",), code="limit_exceeded"),
    Case("vector too short", put("inputs.0", [1.0]), ("inputs.0",)),
    Case("an image for vectors", put("inputs.0", picture()), ("inputs.0",)),
    Case("mixed kinds", put("inputs.1", "hello"), ("inputs.1",)),
    Case("NaN", put("inputs.0", [float("nan")]), ("inputs.0.0",)),
    Case("null", put("inputs.0", None), ("inputs.0",)),
    Case("top is zero", put("top", 0), ("top",)),
    Case("top is a text", put("top", "1"), ("top",)),
    Case("top is a fraction", put("top", 1.5), ("top",)),
    Case("top is a boolean", put("top", True), ("top",)),
    Case("unknown field", put("labels", 1), ("labels",)),
]


def supports(model: str, dim: int) -> list[Body]:
    pictures = [{"input": picture(), "label": label} for label in "aabb"]
    return {"vectors": vectors(dim), "curves": curve(), "glyphs": pictures}[model]


async def assert_unchanged(service: Service) -> None:
    page = (await service.client.get("/v1/tasks")).json()
    assert [task["id"] for task in page["items"]] == [service.task]


def assert_named(problem: Body, paths: tuple[str, ...]) -> None:
    assert tuple(error["path"] for error in problem["errors"]) == paths, problem
    assert not paths or paths[0] in problem["detail"]
    assert all(len(error["message"]) > 5 for error in problem["errors"])


@pytest.mark.parametrize("case", ADAPT, ids=lambda case: case.name)
async def test_adapting(service: Service, case: Case) -> None:
    body = {"model": case.model, "support": supports(case.model, service.dim)}
    case.change(body, service.dim)
    answer = await service.client.post("/v1/tasks", content=json.dumps(body), headers=JSON)
    assert_named(assert_problem(answer, case.status, case.code), case.paths)
    await assert_unchanged(service)


@pytest.mark.parametrize("case", PREDICT, ids=lambda case: case.name)
async def test_predicting(service: Service, case: Case) -> None:
    body: Body = {"inputs": [row["input"] for row in vectors(service.dim)[:2]]}
    case.change(body, service.dim)
    url = f"/v1/tasks/{service.task}/predictions"
    answer = await service.client.post(url, content=json.dumps(body), headers=JSON)
    assert_named(assert_problem(answer, case.status, case.code), case.paths)
    await assert_unchanged(service)


@dataclass(frozen=True)
class Raw:
    """A request that is wrong before any field is."""

    name: str
    status: int
    code: str
    content: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))


GOOD = b'{"model": "vectors", "support": [{"input": "x", "label": "a"}]}'
RAW = [
    Raw("not JSON", 400, "invalid_json", b"hello"),
    Raw("empty", 400, "invalid_json", b""),
    Raw("cut short", 400, "invalid_json", GOOD[:-9]),
    Raw("more than JSON", 400, "invalid_json", GOOD + b"}"),
    Raw("single quotes", 400, "invalid_json", GOOD.replace(b'"', b"'")),
    Raw("a comma too many", 400, "invalid_json", GOOD[:-1] + b",}"),
    Raw("not UTF-8", 400, "invalid_json", GOOD.replace(b"a", b"\xff")),
    Raw("Latin-1", 400, "invalid_json", "é".join(["{", "}"]).encode("latin-1")),
    Raw("UTF-16", 400, "invalid_json", GOOD.decode().encode("utf-16")),
    Raw("a byte order mark", 400, "invalid_json", b"\xef\xbb\xbf" + GOOD),
    Raw("a lone surrogate", 400, "invalid_json", GOOD.replace(b'"a"', b'"\\ud800"')),
    Raw("lists nested deeply", 400, "invalid_json", b"[" * 10_000),
    Raw("objects nested deeply", 400, "invalid_json", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    Raw("a number of 5,000 digits", 400, "invalid_json", GOOD.replace(b'"x"', b"[" + b"9" * 5000 + b"]")),
    Raw("a list", 422, "invalid_request", b"[]"),
    Raw("null", 422, "invalid_request", b"null"),
    Raw("a null byte, escaped", 422, "invalid_request", GOOD.replace(b'"a"', b'"\\u0000"')),
    Raw("a number of 400 digits", 422, "invalid_request", GOOD.replace(b'"x"', b"[" + b"9" * 400 + b"]")),
    Raw("no content type", 415, "unsupported_media_type", GOOD, {}),
    Raw("a form", 415, "unsupported_media_type", GOOD, {"Content-Type": "application/x-www-form-urlencoded"}),
    Raw("plain text", 415, "unsupported_media_type", GOOD, {"Content-Type": "text/plain"}),
    Raw("another charset", 415, "unsupported_media_type", GOOD, {"Content-Type": "application/json; charset=latin-1"}),
    Raw("compressed", 415, "unsupported_media_type", GOOD, JSON | {"Content-Encoding": "gzip"}),
    Raw("too many bytes", 413, "body_too_large", b" " * (2**20 + 1)),
    Raw(
        "a hundred thousand names", 413, "body_too_large", b"{" + b",".join(b'"%x":1' % n for n in range(99_999)) + b"}"
    ),
    Raw("a hundred thousand lists", 413, "body_too_large", b"[" * 100_000),
    Raw("many bad fields", 422, "invalid_request", b'{"support": [' + b"1," * 99_999 + b"1]}"),
]


@pytest.mark.parametrize("case", RAW, ids=lambda case: case.name)
@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/{task}/predictions", "/v1/tasks/{task}/evaluations"])
async def test_raw(service: Service, path: str, case: Raw) -> None:
    answer = await service.client.post(path.format(task=service.task), content=case.content, headers=case.headers)
    assert_problem(answer, case.status, case.code)
    await assert_unchanged(service)


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("limit=0", ["query.limit"]),
        ("limit=501", ["query.limit"]),
        ("limit=-1", ["query.limit"]),
        ("limit=ten", ["query.limit"]),
        ("limit=", ["query.limit"]),
        ("limit=1.5", ["query.limit"]),
        ("limit=1&limit=2", ["query.limit"]),
        ("cursor=", ["query.cursor"]),
        ("cursor=nonsense", ["query.cursor"]),
        ("cursor=%00", ["query.cursor"]),
        (f"cursor={base64.urlsafe_b64encode(b'task_').decode()}", ["query.cursor"]),
        ("model=", ["query.model"]),
        ("model=%00", ["query.model"]),
        ("name=%00", ["query.name"]),
        (f"name={'x' * 201}", ["query.name"]),
        ("page=2", ["query.page"]),
        ("limit=x&sort=name&Limit=3", ["query.limit", "query.sort", "query.Limit"]),
    ],
)
async def test_query(service: Service, query: str, paths: list[str]) -> None:
    problem = assert_problem(await service.client.get(f"/v1/tasks?{query}"), 422, "invalid_request")
    assert [error["path"] for error in problem["errors"]] == paths


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/tasks"),
        ("GET", "/v1/tasks/{task}"),
        ("DELETE", "/v1/tasks/{task}"),
        ("POST", "/v1/tasks/{task}/predictions"),
        ("POST", "/v1/tasks/{task}/evaluations"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/vectors"),
        ("GET", "/v1/limits"),
    ],
)
async def test_no_other_route_takes_a_query(service: Service, method: str, path: str) -> None:
    answer = await service.client.request(method, path.format(task=service.task) + "?dry_run=1", json={})
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["path"] == "query.dry_run"
    await assert_unchanged(service)


@pytest.mark.parametrize("task", ["nope", "task_", "task_" + "0" * 26, "%00", "task_%00", "é", "x" * 3000, "..%2f"])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("POST", "/predictions")])
async def test_unknown_tasks(service: Service, method: str, tail: str, task: str) -> None:
    body = {"inputs": [vectors(service.dim)[0]["input"]]}
    answer = await service.client.request(method, f"/v1/tasks/{task}{tail}", json=body)
    assert_problem(answer, 404, "not_found" if "%2f" in task else "task_not_found")


@pytest.mark.parametrize("path", ["/v1/tasks%0A", "/v1/tasks/{task}/predictions%0A", "/v1/tasks/{task}/support%0a"])
async def test_a_newline_behind_a_path_is_no_way_round_the_door(service: Service, path: str) -> None:
    body = {"model": "vectors", "support": vectors(service.dim), "inputs": [[0.0] * service.dim]}
    assert_problem(await service.client.post(path.format(task=service.task), json=body), 404, "not_found")
    await assert_unchanged(service)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nope", "/v1/tasks/", "/v2/tasks", "/favicon.ico"])
async def test_unknown_paths(service: Service, path: str) -> None:
    assert_problem(await service.client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/tasks/x", "DELETE, GET, PATCH"),
        ("PUT", "/v1/tasks", "GET, POST"),
        ("PUT", "/v1/tasks/x/support", "GET, POST"),
        ("PUT", "/v1/tasks/x/support/a/b", "DELETE"),
        ("DELETE", "/v1/models", "GET"),
        ("BREW", "/v1/limits", "GET"),
    ],
)
async def test_unknown_methods(service: Service, method: str, path: str, allowed: str) -> None:
    answer = await service.client.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


async def test_what_was_not_looked_at_is_not_counted(service: Service) -> None:
    told = {}
    for num in (19, 20):
        body = {"model": "curves", "support": [{"input": [0.0, 0.0], "target": 1.0}] * num}
        problem = assert_problem(await service.client.post("/v1/tasks", json=body), 422, "invalid_request")
        told[num] = problem["detail"]
        assert len(problem["errors"]) == num
    assert "(and 18 more)" in told[19] and "(and at least 19 more)" in told[20], told
