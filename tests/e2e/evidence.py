"""What a task computes, compared: with what the same params gave before, and with a task that was just made."""

from typing import Any

import pytest
from safetensors.numpy import load

from service.client import Client
from service.errors import KshotError, VersionErased
from service.schemas import Classification, Response
from tests.e2e.known import Known, Params, Version
from tests.e2e.writes import example, rows

QUERIES = range(1_000, 1_005)  # numbers that stand for examples


class Evidence:
    """The bits of all params that were seen, and of what they answered: the same at every place, in every life."""

    def __init__(self) -> None:
        self._weights: dict[Params, dict[str, bytes]] = {}
        self._answers: dict[Params, list[Any]] = {}

    def check(self, kshot: Client, known: Known) -> None:
        """Every version has its params, and the current one answers with them."""
        for version in known.versions:
            self._check_weights(kshot, known.id, version)
        self._check_answers(kshot, known)

    def check_figures(self, kshot: Client, known: Known, number: int) -> None:
        """An evaluation of a version tells how well it answered, if that can be asked."""
        examples = [example(known.model, each) for each in QUERIES]
        asked: dict[str, Any] = {name: column for name, column in rows(examples).items() if name != "ids"}
        try:
            version = known.version(number)
        except KshotError as refusal:
            with pytest.raises(type(refusal)):
                kshot.evaluate(known.id, **asked, version=number)
            return
        figures: Any = kshot.evaluate(known.id, **asked, version=number)
        assert (figures.version, figures.num_examples) == (number, len(QUERIES))
        if version.params is None or version.params not in self._answers:
            return  # it was never the current one when that was asked
        pairs = list(zip(self._answers[version.params], examples, strict=True))
        if known.is_classifier:
            assert figures.accuracy == sum(said.label == true.truth for said, true in pairs) / len(pairs)
        else:
            errors = [(said.mean - float(true.truth)) ** 2 for said, true in pairs]
            assert figures.mse == pytest.approx(sum(errors) / len(errors), rel=1e-4)

    def _check_weights(self, kshot: Client, task_id: str, version: Version) -> None:
        if version.params is None:
            with pytest.raises(VersionErased):
                kshot.weights(task_id, version.number)
            return
        leaves = load(kshot.weights(task_id, version.number))
        weights = {name: leaf.tobytes() for name, leaf in leaves.items()}
        assert self._weights.setdefault(version.params, weights) == weights

    def _check_answers(self, kshot: Client, known: Known) -> None:
        current, queries = known.current, [example(known.model, each).row for each in QUERIES]
        assert current.params is not None
        for _ in range(2):
            answers = kshot.predict(known.id, queries)
            assert answers.version == current.number
            assert self._answers.setdefault(current.params, list(answers.predictions)) == answers.predictions
        served = f"{known.model}@{current.model_digest[:12]}"
        alike = kshot.adapt(served, **rows([member.example for member in current.members]))
        for one, other in zip(answers.predictions, kshot.predict(alike, queries).predictions, strict=True):
            assert numbers(one) == pytest.approx(numbers(other), rel=1e-4, abs=1e-5)
        kshot.delete(alike)


def numbers(answer: Response) -> dict[str, Any]:
    """What an answer says in numbers."""
    return answer.scores if isinstance(answer, Classification) else answer.model_dump()
