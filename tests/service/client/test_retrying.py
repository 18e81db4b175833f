"""When a request is sent again, and when it is not: by both clients, over swapped transports."""

import json
from typing import Any

import httpx
import pytest

from service import schemas
from service.allowances import Quota, Quotas, Rate, TenantLimits
from service.client import retrying
from service.errors import (
    BodyTooLarge,
    Conflict,
    InternalError,
    KshotError,
    Overloaded,
    TaskNotFound,
    Unavailable,
)
from tests.service.client.both import Make, Script, all_of, opened, refusal, told

NONE = Quota(limit=None, used=0)
LIMITS = TenantLimits(
    max_ways=1,
    max_examples=1,
    max_inputs=1,
    max_body_bytes=1,
    max_image_pixels=1,
    max_in_flight=1,
    request_timeout_s=1,
    quotas=Quotas(tasks=NONE, examples=NONE, bytes=NONE, in_flight=NONE, requests=Rate(per_s=1, burst=1, available=1)),
)
GOOD = httpx.Response(200, json=LIMITS.model_dump())
NO_TASKS = httpx.Response(200, json={"items": [], "next_cursor": None})
LOST = httpx.ReadError("connection lost")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 0.01)


async def ask(make: Make, script: Script, name: str, /, *arguments: Any, patience_s: float = 60, **options: Any) -> Any:
    """One call of a client whose service follows a script."""
    async with opened(make, transport=script.transport, patience_s=patience_s) as kshot:
        return await told(getattr(kshot, name)(*arguments, **options))


@pytest.mark.parametrize(
    "answer",
    [
        refusal(429, "overloaded"),
        refusal(503, "not_ready"),
        refusal(409, "conflict"),
        httpx.Response(503, text="busy", headers={"Retry-After": "0"}),
        httpx.Response(502, text="<h1>Bad gateway</h1>"),
        refusal(502, "bad_gateway", None),
        httpx.Response(503, text="no server is available"),
        LOST,
        httpx.RemoteProtocolError("closed without an answer"),
    ],
    ids=lambda answer: type(answer).__name__ if isinstance(answer, Exception) else str(answer.status_code),
)
async def test_what_may_pass_is_asked_again(make: Make, answer: httpx.Response | Exception) -> None:
    script = Script(answer, answer, GOOD)
    assert await ask(make, script, "limits") == LIMITS
    assert len(script.requests) == 3


async def test_the_service_says_how_long(make: Make) -> None:
    script = Script(refusal(429, "overloaded", "1"), GOOD)
    waited: list[float] = []
    async with opened(make, transport=script.transport) as kshot:
        take = kshot._take

        def watched(step: Any) -> Any:
            waited.append(getattr(step, "duration_s", 0))
            return take(step)

        kshot._take = watched
        await told(kshot.limits())
    assert waited[::2] == [0, 0] and 1 <= waited[1] <= 1.25


async def test_patience_ends_at_once_when_it_could_not_last(make: Make) -> None:
    script = Script(refusal(429, "overloaded", "30"))
    with pytest.raises(Overloaded) as caught:
        await ask(make, script, "limits", patience_s=20)
    assert caught.value.retry_after_s == 30


async def test_patience_is_for_all_pauses_of_a_call(make: Make) -> None:
    script = Script(*[refusal(503, "not_ready")] * 100)
    with pytest.raises(Unavailable):
        await ask(make, script, "limits", patience_s=0.1)
    assert 2 <= len(script.requests) <= 6


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "kind"),
    [
        (503, "computation_failed", None, Unavailable),
        (500, "internal_error", None, InternalError),
        (500, "internal_error", "1", InternalError),
        (409, "too_few_labels", None, Conflict),
        (413, "body_too_large", None, BodyTooLarge),
    ],
)
async def test_what_another_try_may_repeat_or_cannot_help_is_raised(
    make: Make, status: int, code: str, retry_after: str | None, kind: type[KshotError]
) -> None:
    script = Script(refusal(status, code, retry_after))
    with pytest.raises(kind):
        await ask(make, script, "adapt", "m", ["x"], labels=["a"])
    assert len(script.requests) == 1


async def test_a_service_that_is_not_there_is_not_waited_for(make: Make) -> None:
    script = Script(httpx.ConnectError("refused"))
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:8000 does not answer: refused"):
        await ask(make, script, "limits")


async def test_a_service_that_went_away_is_waited_for(make: Make) -> None:
    assert await ask(make, Script(LOST, httpx.ConnectError("refused"), GOOD), "limits") == LIMITS


async def test_a_service_that_goes_away_says_so_before(make: Make) -> None:
    assert await ask(make, Script(refusal(503, "not_ready"), httpx.ConnectError("refused"), GOOD), "limits") == LIMITS


async def test_what_no_wait_mends_is_not_asked_again(make: Make) -> None:
    script = Script(LOST, httpx.UnsupportedProtocol("ftp"))
    with pytest.raises(Unavailable, match="ftp"):
        await ask(make, script, "limits")
    assert len(script.requests) == 2


async def test_who_has_been_answered_waits_for_a_restart(make: Make) -> None:
    script = Script(GOOD, httpx.ConnectError("refused"), httpx.ConnectError("refused"), NO_TASKS)
    async with opened(make, transport=script.transport) as kshot:
        await told(kshot.limits())
        assert await all_of(kshot.tasks()) == []
    assert len(script.requests) == 4


async def test_a_refusal_is_an_answer_too(make: Make) -> None:
    script = Script(refusal(404, "task_not_found"), httpx.ConnectError("refused"), GOOD)
    async with opened(make, transport=script.transport) as kshot:
        with pytest.raises(TaskNotFound):
            await told(kshot.get("t"))
        assert await told(kshot.limits()) == LIMITS


async def test_a_request_that_took_too_long_is_not_made_longer(make: Make) -> None:
    with pytest.raises(Unavailable):
        await ask(make, Script(httpx.ReadTimeout("slow")), "limits")


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("adapt", ("m", ["x"]), {"labels": ["a"]}),
        ("extend", ("t", ["x"]), {"labels": ["a"], "if_match": 3}),
        ("rollback", ("t", 1), {}),
        ("create", (schemas.CreateTask(model="m", support=[schemas.Example(input="x", label="a")]),), {}),
    ],
)
async def test_a_write_is_repeated_to_the_byte_under_one_key(
    make: Make, name: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    script = Script(refusal(503, "deadline_exceeded"), LOST, refusal(413, "body_too_large"))
    with pytest.raises(BodyTooLarge):
        await ask(make, script, name, *arguments, **options)
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    assert len({request.content for request in script.requests}) == 1
    assert {request.headers.get("If-Match") for request in script.requests} == {
        '"3"' if options.get("if_match") else None
    }


async def test_every_write_has_a_key_of_its_own(make: Make) -> None:
    script = Script(*[refusal(413, "body_too_large")] * 3)
    async with opened(make, transport=script.transport) as kshot:
        for key in (None, None, "mine"):
            with pytest.raises(BodyTooLarge):
                await told(kshot.rollback("t", 1, idempotency_key=key))
    first, second, third = (request.headers["Idempotency-Key"] for request in script.requests)
    assert first != second and third == "mine"


async def test_what_only_computes_is_repeated_without_a_key(make: Make) -> None:
    made = {"task": "t", "version": 1, "predictions": [], "timing": {"queue_ms": 0, "compute_ms": 0}, "truncated": []}
    script = Script(refusal(503, "deadline_exceeded"), LOST, httpx.Response(200, json=made))
    await ask(make, script, "predict", "t", [[1.5]], top=3)
    assert [json.loads(request.content) for request in script.requests] == [{"inputs": [[1.5]], "top": 3}] * 3
    assert not any("Idempotency-Key" in request.headers for request in script.requests)


UNSURE = [LOST, refusal(503, "database_unavailable"), refusal(503, "deadline_exceeded"), refusal(503, "unavailable")]
UNSURE += [refusal(502, "bad_gateway"), httpx.Response(502, text="lost", headers={"Retry-After": "1"})]


@pytest.mark.parametrize("answer", UNSURE, ids=["lost", "database", "deadline", "proxy", "replica", "gateway"])
@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [("delete", ("t",), {}), ("forget", ("t", "x"), {}), ("update", ("t",), {"name": "n", "if_match": 2})],
)
async def test_what_may_be_done_and_cannot_be_asked_twice_is_not_repeated(
    make: Make, name: str, arguments: tuple[Any, ...], options: dict[str, Any], answer: httpx.Response | Exception
) -> None:
    script = Script(answer)
    with pytest.raises(Unavailable):
        await ask(make, script, name, *arguments, **options)


@pytest.mark.parametrize("answer", [refusal(429, "overloaded"), refusal(503, "not_ready"), refusal(409, "conflict")])
async def test_a_delete_that_was_refused_is_repeated(make: Make, answer: httpx.Response) -> None:
    script = Script(answer, httpx.Response(204))
    assert await ask(make, script, "delete", "t") is None
    assert [request.method for request in script.requests] == ["DELETE", "DELETE"]


async def test_giving_the_same_name_twice_is_giving_it(make: Make) -> None:
    script = Script(LOST, refusal(404, "task_not_found"))
    with pytest.raises(KshotError):
        await ask(make, script, "update", "t", name="n")
    assert [json.loads(request.content) for request in script.requests] == [{"name": "n"}] * 2


async def test_a_key_is_in_every_request(make: Make) -> None:
    script = Script(LOST, GOOD)
    async with opened(make, "http://else", transport=script.transport, api_key="kshot_0_1") as kshot:
        await told(kshot.limits())
    assert [request.headers["Authorization"] for request in script.requests] == ["Bearer kshot_0_1"] * 2
    assert {request.url.host for request in script.requests} == {"else"}
