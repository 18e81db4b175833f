"""Laws of the engine: batching changes no answer, reads see writes, and what fails fails alone."""

import asyncio
import math
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from service.engine.arrays import Adapted, ClassScores, ValueScores
from service.engine.engine import Engine
from service.engine.freshness import TaskMoved, VersionGone
from service.engine.slices import slice_rows
from service.errors import (
    ComputationFailed,
    DatabaseUnavailable,
    DeadlineExceeded,
    NotReady,
    Overloaded,
    TaskDamaged,
    TaskNotFound,
)
from tests.service.engine.learners import (
    CHECKPOINTS,
    DIM,
    DIVERGE,
    POISON,
    SLOW,
    Fragile,
    Store,
    labelled,
    running,
    soon,
)


async def adapted(engine: Engine, seed: int, num_ways: int = 2, num_shots: int = 3, digest: str = "ridge") -> Adapted:
    return (await engine.adapt("t", digest, labelled(seed, num_ways, num_shots), soon())).result


async def probabilities(engine: Engine, task: str, queries: np.ndarray, digest: str = "ridge") -> np.ndarray:
    scores = (await engine.predict("t", task, digest, queries, soon())).result
    assert isinstance(scores, ClassScores)
    return scores.probabilities


def queries(seed: int, count: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


async def test_tasks_of_all_sizes_together_answer_as_alone() -> None:
    sizes = [(2 + seed % 4, 1 + seed % 3) for seed in range(24)]  # ways and shots
    alone_store, together_store = Store(), Store()
    async with running(alone_store) as alone, running(together_store) as together:
        one_by_one = [await adapted(alone, seed, *size) for seed, size in enumerate(sizes)]
        at_once = await asyncio.gather(*(adapted(together, seed, *size) for seed, size in enumerate(sizes)))
        for alone_params, params in zip(one_by_one, at_once, strict=True):
            for leaf, expected_leaf in alone_params.params.items():
                assert params.params[leaf].shape == expected_leaf.shape
                np.testing.assert_allclose(params.params[leaf], expected_leaf, atol=1e-5)
        for seed, params in enumerate(one_by_one):
            alone_store.put(str(seed), "ridge", params)
            together_store.put(str(seed), "ridge", params)
        asked = [queries(seed, 1 + seed % 7) for seed in range(24)]
        expected = [await probabilities(alone, str(seed), rows) for seed, rows in enumerate(asked)]
        answers = await asyncio.gather(*(probabilities(together, str(seed), rows) for seed, rows in enumerate(asked)))
        assert together_store.num_reads < alone_store.num_reads
    for one, other, rows, (num_ways, _) in zip(expected, answers, asked, sizes, strict=True):
        assert other.shape == (len(rows), num_ways)
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_allclose(other.sum(1), 1, atol=1e-5)


async def test_who_asks_in_the_next_turns_of_the_loop_is_in_the_same_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("GATHERED_MS", "GATHERING_MS"):  # a busy machine is slow
        monkeypatch.setattr(f"service.engine.engine.{bound}", 10_000.0)
    store = Store()

    async def asked(turns: int) -> np.ndarray:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await probabilities(engine, "1", queries(1))

    async with running(store) as engine:
        store.put("1", "ridge", await adapted(engine, 1))
        expected = await probabilities(engine, "1", queries(1))
        await asyncio.gather(asked(0), asked(0))  # behind a lone request a lone one waits for nobody
        before = store.num_reads
        answers = await asyncio.gather(*(asked(turns) for turns in range(6)))
        assert store.num_reads == before + 1
        for answer in answers:
            np.testing.assert_allclose(answer, expected, atol=1e-5)


@pytest.mark.parametrize("lifted", ["GATHERED_MS", "GATHERING_MS"])
async def test_who_asks_in_every_turn_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, lifted: str) -> None:
    monkeypatch.setattr(f"service.engine.engine.{lifted}", math.inf)  # the other bound is enough
    store = Store()
    async with running(store) as engine, asyncio.timeout(10):
        store.put("1", "ridge", await adapted(engine, 1))
        first, others = asyncio.ensure_future(probabilities(engine, "1", queries(1))), []
        while not first.done():
            others.append(asyncio.ensure_future(probabilities(engine, "1", queries(2))))
            await asyncio.sleep(0)
        await asyncio.gather(*others)


async def test_a_long_query_cut_into_slices_answers_as_row_by_row() -> None:
    store = Store()
    async with running(store) as engine:
        store.put("1", "ridge", await adapted(engine, 1))
        rows = queries(1, 2 * slice_rows([DIM], "cpu") + 5)
        whole = await probabilities(engine, "1", rows)
        parts = await asyncio.gather(*(probabilities(engine, "1", part) for part in np.array_split(rows, 50)))
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=1e-5)


async def test_regression_answers_mean_and_std() -> None:
    store = Store()
    values = np.arange(6, dtype=np.float32)[:, None] * [[1, 10]]
    support = replace(labelled(0), classes=None, num_ways=0, values=values.astype(np.float32))
    async with running(store) as engine:
        store.put("1", "bayes", (await engine.adapt("t", "bayes", support, soon())).result)
        scores = (await engine.predict("t", "1", "bayes", support.rows, soon())).result
    assert isinstance(scores, ValueScores)
    assert scores.mean.shape == scores.std.shape == (6, 2)
    assert (scores.std > 0).all()


async def test_tasks_of_both_kinds_share_a_batch() -> None:
    store = Store()
    values = np.arange(6, dtype=np.float32)[:, None]
    support = replace(labelled(0), classes=None, num_ways=0, values=values)
    async with running(store) as engine:
        store.put("1", "both", await adapted(engine, 1, digest="both"))
        store.put("2", "both", (await engine.adapt("t", "both", support, soon())).result)
        alone = [(await engine.predict("t", task, "both", support.rows, soon())).result for task in "12"]
        together = await asyncio.gather(
            *(engine.predict("t", task, "both", support.rows, soon()) for task in "1212")  # the first goes alone
        )
    for one, other in zip([*alone, *alone], together, strict=True):
        assert type(one) is type(other.result)
        for name, array in vars(one).items():
            assert array is None or np.allclose(array, vars(other.result)[name], atol=1e-5)


async def test_adapting_to_encoded_rows_is_as_adapting_to_the_rows() -> None:
    support = labelled(5, num_ways=3)
    async with running(Store()) as engine:
        whole = (await engine.adapt("t", "encoded", support, soon())).result
        parts = [(await engine.encode("t", "encoded", rows, soon())).result for rows in np.split(support.rows, [4])]
        features = np.concatenate([part.features for part in parts if part.features is not None])
        assert whole.features is not None and features.shape[1:] == engine.blank_features("encoded").shape[1:] == (7,)
        np.testing.assert_allclose(features, whole.features, atol=1e-6)
        stored = replace(support, rows=whole.features, encoded=True)
        again = (await engine.adapt("t", "encoded", stored, soon())).result
        assert again.features is None
        assert all(np.array_equal(again.params[leaf], whole.params[leaf]) for leaf in whole.params)
        assert (await engine.encode("t", "ridge", support.rows, soon())).result.features is None
        with pytest.raises(DeadlineExceeded):
            await engine.encode("t", "encoded", support.rows, 0.0)


async def test_what_is_cached_can_be_dropped_by_version() -> None:
    store = Store()
    async with running(store) as engine:
        store.put("1", "ridge", await adapted(engine, 1), version=3)
        await probabilities(engine, "1", queries(1))
        engine.drop(("t", "1"), 2)
        assert engine.cached_versions() == {("t", "1"): 3}
        engine.drop(("t", "1"), 3)
        assert engine.cached_versions() == {}
        assert engine._cache._num_bytes == 0


async def test_reads_see_writes_and_a_current_version_is_read_once() -> None:
    store = Store()
    async with running(store) as engine:
        first, second = await adapted(engine, 1), await adapted(engine, 2)
        rows = queries(3)
        store.put("1", "ridge", first)
        before = await probabilities(engine, "1", rows)
        stored = store.tasks["t", "1"]
        store.tasks["t", "1"] = replace(stored, params=b"never read again")
        assert np.array_equal(await probabilities(engine, "1", rows), before)
        store.put("1", "ridge", second, version=2)
        answer = await engine.predict("t", "1", "ridge", rows, soon())
        assert answer.version == 2
        assert not np.array_equal(await probabilities(engine, "1", rows), before)
        del store.tasks["t", "1"]
        with pytest.raises(TaskNotFound):
            await probabilities(engine, "1", rows)


async def test_a_task_that_moved_to_another_digest_is_not_answered_by_the_old_one() -> None:
    store = Store()
    async with running(store) as engine:
        store.put("1", "fragile", await adapted(engine, 1, digest="fragile"))
        with pytest.raises(TaskMoved) as moved:
            await probabilities(engine, "1", queries(1), "ridge")
    assert moved.value.model_digest == "fragile"


async def test_stated_versions_are_answered_beside_the_current_one_and_not_kept() -> None:
    store, rows = Store(), queries(3)
    async with running(store) as engine:
        expected = {}
        for version in (1, 2, 3):
            store.put("1", "ridge", await adapted(engine, version), version)
            expected[version] = await probabilities(engine, "1", rows)
        engine.drop(("t", "1"), 3)
        asked = [3, None, 1, 2, 1]
        answers = await asyncio.gather(*(engine.predict("t", "1", "ridge", rows, soon(), version) for version in asked))
        assert [answer.version for answer in answers] == [3, 3, 1, 2, 1]
        for answer in answers:
            assert isinstance(answer.result, ClassScores)
            np.testing.assert_allclose(answer.result.probabilities, expected[answer.version], atol=1e-6)
        assert engine.cached_versions() == {("t", "1"): 3}
        engine.drop(("t", "1"), 3)
        await engine.predict("t", "1", "ridge", rows, soon(), 3)
        assert engine.cached_versions() == {}


async def test_a_stated_version_that_is_gone_or_cannot_be_read_fails_alone() -> None:
    store, rows = Store(), queries(3)

    def away() -> None:
        raise DatabaseUnavailable("away", retry_after_s=1)

    async with running(store, max_staleness_s=60) as engine:
        store.put("1", "ridge", await adapted(engine, 1))
        whole, gone = await asyncio.gather(
            probabilities(engine, "1", rows),
            engine.predict("t", "1", "ridge", rows, soon(), 2),
            return_exceptions=True,
        )
        assert isinstance(whole, np.ndarray) and isinstance(gone, VersionGone)
        store.before = away
        with pytest.raises(DatabaseUnavailable):  # what is cached may serve as the current version only
            await engine.predict("t", "1", "ridge", rows, soon(), 1)


async def test_damaged_params_fail_alone() -> None:
    store = Store()
    async with running(store) as engine:
        for seed in range(8):
            store.put(str(seed), "ridge", await adapted(engine, seed))
        stored = store.tasks["t", "3"]
        assert stored.params is not None
        store.tasks["t", "3"] = replace(stored, params=stored.params[:-1] + bytes([stored.params[-1] ^ 1]))
        answers = await asyncio.gather(
            *(probabilities(engine, str(seed), queries(seed)) for seed in range(8)), return_exceptions=True
        )
    assert [isinstance(answer, TaskDamaged) for answer in answers] == [seed == 3 for seed in range(8)]


@pytest.mark.parametrize("mark", [POISON, DIVERGE])
async def test_a_support_that_breaks_the_device_or_diverges_fails_alone(mark: float) -> None:
    async with running(Store()) as engine:
        supports = [labelled(seed) for seed in range(9)]
        supports[4].rows[0, 0] = mark
        answers = await asyncio.gather(
            *(engine.adapt("t", "fragile", support, soon()) for support in supports), return_exceptions=True
        )
        assert engine.is_healthy
    assert [isinstance(answer, ComputationFailed) for answer in answers] == [seed == 4 for seed in range(9)]


async def test_an_outage_of_the_database_fails_clearly_unless_staleness_is_allowed() -> None:
    store = Store()

    def away() -> None:
        raise DatabaseUnavailable("away", retry_after_s=1)

    async with running(store) as strict, running(store, max_staleness_s=60) as lenient:
        for task in ("cached", "unknown"):
            store.put(task, "ridge", await adapted(strict, 1))
        expected = [await probabilities(engine, "cached", queries(1)) for engine in (strict, lenient)]
        store.before = away
        with pytest.raises(DatabaseUnavailable):
            await probabilities(strict, "cached", queries(1))
        assert np.array_equal(await probabilities(lenient, "cached", queries(1)), expected[1])
        with pytest.raises(DatabaseUnavailable):
            await probabilities(lenient, "unknown", queries(1))
        store.before = lambda: None
        assert np.array_equal(await probabilities(strict, "cached", queries(1)), expected[0])


async def test_a_deadline_that_passes_is_answered_and_leaves_no_trace() -> None:
    async with running(Store()) as engine:
        with pytest.raises(DeadlineExceeded):
            await engine.adapt("t", "ridge", labelled(0), 0.0)
        await adapted(engine, 0)


async def test_work_that_nobody_waits_for_is_dropped() -> None:
    slow = labelled(0)
    slow.rows[0, 0] = SLOW
    head = CHECKPOINTS["fragile"].learner.head
    assert isinstance(head, Fragile)
    async with running(Store()) as engine:
        before = head.num_slow_steps
        with pytest.raises(DeadlineExceeded):
            await engine.adapt("t", "fragile", slow, monotonic() + 0.1)
        await adapted(engine, 1)
        assert head.num_slow_steps - before < 50


async def test_stopping_does_not_wait_longer_than_it_may() -> None:
    slow = labelled(0)
    slow.rows[0, 0] = SLOW
    async with running(Store(), drain_timeout_s=0.1) as engine:
        accepted = asyncio.ensure_future(engine.adapt("t", "fragile", slow, soon()))
        await asyncio.sleep(0.05)
    with pytest.raises(NotReady):
        await accepted


async def test_a_read_that_hangs_stops_nobody_else() -> None:
    store = Store()
    async with running(store, statement_timeout_s=0.2) as engine:
        store.put("1", "ridge", await adapted(engine, 1))
        store.delay_s = 60.0
        with pytest.raises(DatabaseUnavailable):
            await probabilities(engine, "1", queries(1))
        store.delay_s = 0.0
        await probabilities(engine, "1", queries(1))
        assert engine.is_healthy


async def test_what_may_wait_is_bounded() -> None:
    async with running(Store(), max_queue_ms=0.001) as engine:
        answers = await asyncio.gather(*(adapted(engine, seed) for seed in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert refused
    assert all(error.retry_after_s for error in refused)
    assert any(isinstance(answer, Adapted) for answer in answers)


async def test_stopping_answers_what_was_accepted_and_refuses_what_comes_after() -> None:
    store = Store()
    async with running(store) as engine:
        accepted = asyncio.gather(*(adapted(engine, seed) for seed in range(10)))
        await asyncio.sleep(0)
    assert len(await accepted) == 10
    with pytest.raises(NotReady):
        await adapted(engine, 1)


async def test_the_cache_is_bounded_in_bytes() -> None:
    store = Store()
    async with running(store, cache_mib=1) as engine:
        params = await adapted(engine, 1)
        large = Adapted({**params.params, "weight": np.ones((90_000, DIM), np.float32)}, None)
        large.params.update(bias=np.ones(90_000, np.float32), ways=np.ones(90_000, bool))
        for task in ("large", "small"):
            store.put(task, "ridge", large if task == "large" else params)
        await probabilities(engine, "small", queries(1))
        await probabilities(engine, "large", queries(1))  # larger than the cache: served, not kept
        assert engine._cache._num_bytes <= 2**20
        await probabilities(engine, "large", queries(1))
