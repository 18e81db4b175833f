"""The load generator asks what it was told to, counts all that is answered, and hides no delay."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import numpy as np
import pytest

from benchmarks.load import Run, measured, popular
from benchmarks.seen import Seen
from benchmarks.stub import REFUSAL, Answering, Kind, serving_stub
from benchmarks.usage import usage_of
from benchmarks.wire import Messages, body_of, request, response, status_of
from benchmarks.witness import wait_ms, watching

REQUESTS = [request("/v1/tasks/a/predictions", {"inputs": [[number]]}) for number in range(3)]
ORDER = np.arange(3)
OK = response("200 OK", b"")


@asynccontextmanager
async def answering(kind: Kind) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: Answering(kind), "127.0.0.1", 0)
    async with server:
        yield url_of(server)


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(autouse=True)
async def at_rest() -> AsyncIterator[None]:
    """The servers see that their clients have gone."""
    yield
    await asyncio.sleep(0.05)


async def test_an_open_loop_sends_as_many_as_were_drawn_whatever_is_answered() -> None:
    for kind, status in (("echo", 200), ("refuse", 429)):
        async with answering(kind) as url:  # type: ignore[arg-type]
            seen = await Run(url, REQUESTS, ORDER, 4).open_loop(200, 0.1, 0.4)
        assert set(seen.status.tolist()) == {status} and len(seen.status) == 100
        assert (seen.due_s <= seen.sent_s).all() and (seen.sent_s <= seen.ended_s).all()


async def test_a_closed_loop_has_one_request_open_a_client() -> None:
    async with answering("echo") as url:
        run = Run(url, REQUESTS, ORDER, 3)
        found = await measured(run.closed_loop(0.1, 0.2), os.getpid(), 0.1, 0.2)
    seen = found.seen
    for sent, ended in zip(seen.sent_s, seen.ended_s, strict=True):
        assert ((seen.sent_s <= sent) & (seen.ended_s > sent)).sum() <= 3 and ended >= sent
    assert seen.counts().keys() == {200}
    assert len(found.row("echo")) == 8


async def test_what_waits_for_a_connection_is_late_from_when_it_was_due() -> None:
    may_answer, asked = asyncio.Event(), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        messages = Messages()
        while data := await reader.read(65536):
            for _ in messages.whole(data):
                asked += 1
                await may_answer.wait()
                writer.write(OK)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        running = asyncio.create_task(Run(url_of(server), REQUESTS, ORDER, 1).open_loop(100, 0, 0.2))
        await asyncio.sleep(0.5)
        assert asked == 1
        may_answer.set()
        seen = await running
    assert asked == len(seen.due_s) == 20
    assert (seen.ended_s - seen.due_s).min() > 0.2  # of all, though only one was sent before


async def test_a_connection_that_ends_loses_its_request_and_no_other() -> None:
    num_connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_connections
        num_connections += 1
        messages, num_answered = Messages(), 0
        while num_answered < 5 and (data := await reader.read(65536)):
            for _ in messages.whole(data):
                num_answered += 1
                writer.write(OK if num_answered < 5 else b"")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        seen = await Run(url_of(server), REQUESTS, ORDER, 1).open_loop(100, 0, 0.2)
    assert num_connections >= 4
    assert dict(zip(*np.unique(seen.status, return_counts=True), strict=True)) == {0: 4, 200: 16}


def test_a_stub_runs_in_a_process_of_its_own() -> None:
    with serving_stub("refuse") as stub:
        seen = asyncio.run(Run(stub.url, REQUESTS, ORDER, 2).open_loop(100, 0, 0.1))
        assert usage_of(stub.pid).resident_mib > 1
    assert seen.status.tolist() == [429] * 10


def test_figures_are_of_what_was_due_and_answered_while_it_was_measured() -> None:
    due = np.array([-1.0, 0.0, 1.0, 1.5, 2.5])
    ended = np.array([0.5, 0.25, inf, 2.5, 3.0])
    seen = Seen(2.0, due, due + 0.1, ended, np.array([200, 200, 0, 429, 200]))
    assert seen.per_s() == 1  # two that ended in two seconds, one of them due before
    assert seen.ms().tolist() == [250.0]
    assert seen.ms([429]).tolist() == [1000.0]
    assert seen.counts() == {0: 1, 200: 1, 429: 1}
    assert seen.late_ms() == pytest.approx([100.0] * 3)


def test_popular_tasks_are_asked_more_often() -> None:
    uniform, zipf = (np.bincount(popular(10, 10_000, exponent)) for exponent in (0.0, 1.0))
    assert uniform.min() > 800
    assert zipf[0] > 1.5 * zipf[1] > 3 * zipf[4]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_messages_are_cut_wherever_they_arrive_broken(size: int) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    sent = [response("200 OK", b"abc"), chunked, response("204 No Content", b""), REFUSAL]
    stream, messages = b"".join(sent), Messages()
    cut = [each for first in range(0, len(stream), size) for each in messages.whole(stream[first : first + size])]
    assert cut == sent
    assert [status_of(each) for each in cut] == [200, 200, 204, 429]
    assert body_of(request("/x", {"a": 1}, key="k")) == b'{"a":1}'


def test_whoever_comes_while_a_core_is_away_waits_for_what_is_left_of_that() -> None:
    gaps = np.array([0.0] * 900 + [0.1])  # a second, of which a tenth of a second it was away
    assert wait_ms(gaps, 0.8) == 0
    assert wait_ms(gaps, 0.95) == pytest.approx(50, abs=2)
    assert wait_ms(gaps, 0.99) == pytest.approx(90, abs=2)
    with watching(0) as witness:
        assert len(witness.gaps_s()) >= 0


def test_rounds_of_answers_are_counted_by_the_share_that_was_measured() -> None:
    sent = np.repeat([-0.4, 0.6, 1.6, 2.6], 32)  # a round a second, of which two or three end in what is measured
    seen = Seen(3.0, sent, sent, sent + 1.0, np.full(len(sent), 200))
    assert seen.per_s() == pytest.approx(32)
    assert seen.rate() == pytest.approx(32)
    short = Seen(2.5, sent, sent, sent + 1.0, np.full(len(sent), 200))
    assert short.per_s() == pytest.approx(2 * 32 / 2.5)
    assert short.rate() == pytest.approx(32)
    lost = Seen(3.0, sent, sent, np.full(len(sent), inf), np.zeros(len(sent), np.int64))
    assert lost.rate() == 0
