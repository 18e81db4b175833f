"""Texts in the engine: of many requests in one batch cut by length; a model whose base is missing is left out."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.card import Card
from models.checkpoint import Checkpoint, build, save
from models.inputs.text import TextInput
from service.catalog import Catalog
from service.engine.arrays import ClassScores, LabelledArrays
from service.engine.engine import Engine
from service.engine.loading import load_checkpoints
from service.engine.texts import ENTRY_BYTES, Texts
from service.errors import ModelNotFound
from service.metrics import Metrics
from tests.service.engine.learners import Store, running, soon

CARD = Card(
    name="texts",
    modality="text",
    kinds=("classification",),
    inputs={"name": "text"},
    encoder={"name": "minilm", "last": 1},
    head={"name": "prototypical"},
    created_at="2026-11-22T00:00:00Z",
)
VERBS, NOUNS = ("play", "stop"), "abcdefghi"
TEXTS = [f"{verb} {'the very ' * (place % 7)}{noun}" for verb in VERBS for place, noun in enumerate(NOUNS)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    folder = tmp_path_factory.mktemp("models")
    save(folder, build(CARD.encoder, CARD.head), CARD)
    return load_checkpoints([folder])


async def test_texts_of_many_requests_answer_as_alone(loaded: dict[str, Checkpoint]) -> None:
    (digest,), store = loaded, Store()
    rows = np.stack([TextInput()(text) for text in TEXTS])
    support = LabelledArrays(rows, np.arange(len(rows)) // 9, 2, None)
    async with running(store, loaded, dtype="float32") as engine:
        answers = await asyncio.gather(*(engine.adapt("t", digest, support, soon()) for _ in range(3)))
        features = [answer.result.features for answer in answers]
        for row, text in enumerate(rows):
            alone = (await engine.encode("t", digest, text[None], soon())).result.features
            for together in features:
                assert alone is not None and together is not None
                np.testing.assert_allclose(together[row], alone[0], atol=1e-5)
        store.put("1", digest, answers[0].result)

        async def asked(queries: np.ndarray) -> np.ndarray:
            scores = (await engine.predict("t", "1", digest, queries, soon())).result
            assert isinstance(scores, ClassScores)
            return scores.probabilities

        whole, *parts = await asyncio.gather(asked(rows), asked(rows[17:]), asked(rows[3:5]))
    np.testing.assert_allclose(whole[[17, 3, 4]], np.concatenate(parts), atol=1e-5)


async def test_equal_texts_of_a_tenant_are_encoded_once(loaded: dict[str, Checkpoint]) -> None:
    (digest,), rows = loaded, np.stack([TextInput()(text) for text in TEXTS])
    passes: list[int] = []
    encoder = loaded[digest].learner.encoder
    counted = encoder.register_forward_pre_hook(lambda module, given: passes.append(len(given[0])))

    async def encoded(engine: Engine, tenant: str) -> tuple[np.ndarray, int]:
        passes.clear()
        features = (await engine.encode(tenant, digest, np.concatenate([rows, rows[:3]]), soon())).result.features
        assert features is not None
        return features, sum(passes)

    async with running(Store(), loaded) as engine:
        first, num_first = await encoded(engine, "t")
        again, num_again = await encoded(engine, "t")
        _, num_others = await encoded(engine, "u")
        engine.forget_texts()
        _, num_after = await encoded(engine, "t")
    counted.remove()
    assert (first == again).all()
    assert (num_first, num_again, num_others, num_after) == (len(rows), 0, len(rows), len(rows))


def test_what_is_remembered_of_texts_is_bounded() -> None:
    made = {("t", "d", bytes([number])): torch.zeros(100) for number in range(10)}
    texts = Texts(5 * (ENTRY_BYTES + 1 + 400), Metrics())
    for key, features in made.items():
        texts.put({key: features})
    assert list(texts.get(list(made))) == list(made)[5:]


def test_a_model_without_its_base_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "texts", build(CARD.encoder, CARD.head), replace(CARD, inputs={"name": "text", "base": "lost"}))
    with caplog.at_level(logging.WARNING):
        left_out: dict[str, str] = {}
        assert load_checkpoints([tmp_path / "texts"], left_out) == {}
    assert "the model texts is left out: There is no base 'lost'" in caplog.text
    with pytest.raises(ModelNotFound, match="left out at the start: There is no base 'lost'"):
        Catalog([], left_out).resolve("texts")
