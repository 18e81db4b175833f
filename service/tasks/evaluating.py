"""A task held against examples whose answers are known: one version of it, or two on the same examples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from service import codec, evaluation, framing, multilabel
from service.catalog import Catalog, Served
from service.engine.arrays import Array, ClassScores, FrameScores, ScoreArrays, TagScores, ValueScores
from service.engine.ask import Answer
from service.engine.engine import Engine
from service.engine.freshness import VersionGone
from service.errors import Conflict, FieldError
from service.figures import (
    ClassificationComparison,
    ClassificationEvaluation,
    CreateEvaluation,
    Evaluation,
    FrameComparison,
    FrameEvaluation,
    MultilabelComparison,
    MultilabelEvaluation,
    RegressionComparison,
    RegressionEvaluation,
)
from service.schemas import Example, Kind, Timing
from service.settings import Settings
from service.storage.database import Database
from service.storage.records import TaskRecord, VersionRecord
from service.tasks.adapting import Spent
from service.tasks.columns import columns_of
from service.tasks.decoding import Decoding
from service.tasks.finding import find_task, find_version, form_of
from service.tasks.predicting import Decode, Predicting, frames_of


@dataclass(frozen=True)
class _Known:
    """What stands for the examples of a task where new ones are checked against them."""

    label: str | None
    target: float | list[float] | None
    role: str = "example"
    slots: None = None


@dataclass(frozen=True)
class _Asked:
    """An answer, and the rows that were asked with: a version may be on another model than the next."""

    answer: Answer[ScoreArrays]
    rows: Array


class Evaluating:
    """Figures of tasks, for one tenant at a time. Nothing is stored."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        catalog: Catalog,
        decoding: Decoding,
        predicting: Predicting,
        settings: Settings,
    ) -> None:
        self._database = database
        self._engine = engine
        self._catalog = catalog
        self._decoding = decoding
        self._predicting = predicting
        self._settings = settings

    async def evaluate(self, tenant: str, task_id: str, request: CreateEvaluation, deadline: float) -> Evaluation:
        """The figures of the stated version or of the current one, and of the one to compare it with, if any."""
        codec.check_count(len(request.examples), self._settings.max_inputs, "examples", "examples")
        asked = [request.version] if request.compare_with is None else [request.version, request.compare_with]
        record, versions = await self._find(tenant, task_id, asked)
        await self._check(request.examples, record, versions[0])
        order = codec.column_order(request.columns, columns_of(record))
        rows: dict[str, Array] = {}  # by digest: two versions on one model need them once
        used: list[Array] = []

        async def decode(model: Served, form: str | None) -> Array:
            if model.digest not in rows:
                inputs = [example.input for example in request.examples]
                decoded = self._decoding.inputs(tenant, inputs, model, deadline, "examples.{}.input", form, order)
                rows[model.digest] = await decoded
            used.append(rows[model.digest])
            return used[-1]

        spent, answers = Spent(), []
        for version in versions:
            answer = await self._ask(tenant, record, version, decode, deadline)
            spent.add(answer)
            answers.append(_Asked(answer, used[-1]))
        return await self._decoding.in_thread(
            tenant, partial(_figures, task_id, request.examples, answers, spent.timing())
        )

    async def _find(
        self, tenant: str, task_id: str, numbers: Sequence[int | None]
    ) -> tuple[TaskRecord, list[VersionRecord | None]]:
        """The task and the stated versions of it, each with params and on a model that is loaded; or why not."""
        async with self._database.read() as session:
            record = await find_task(session, tenant, task_id)
            versions = [
                None if number is None else await find_version(session, tenant, task_id, number) for number in numbers
            ]
        for version in versions:
            self._catalog.get(version.model_digest if version else record.model_digest)
        return record, versions

    async def _check(self, examples: Sequence[Example], record: TaskRecord, version: VersionRecord | None) -> None:
        kind, max_ways = cast(Kind, record.kind), self._settings.max_ways
        kept = [_Known(None, 0.0 if record.output_dim is None else [0.0] * record.output_dim)]
        if kind != "regression":
            kept = [_Known(label, None) for label in (version or record).labels or []]
        await self._decoding.in_thread(
            record.tenant, partial(codec.check_truth, examples, kind, kept=kept, max_ways=max_ways)
        )

    async def _ask(
        self, tenant: str, record: TaskRecord, version: VersionRecord | None, decode: Decode, deadline: float
    ) -> Answer[ScoreArrays]:
        task_id = record.id
        if version is None:
            return (await self._predicting.ask(tenant, task_id, decode, deadline))[0]
        digest, number = version.model_digest, version.number
        rows = await decode(self._catalog.get(digest), form_of(record))
        try:
            answer = await self._engine.predict(tenant, task_id, digest, rows, deadline, number)
            return await self._predicting.expecting(tenant, task_id, digest, answer, record.prior)
        except VersionGone:
            await self._find(tenant, task_id, [number])  # says what is gone: the task, the version or its params
            raise Conflict(f"Version {number} could not be read; try again.", retry_after_s=1) from None


def _figures(task_id: str, examples: Sequence[Example], answers: Sequence[_Asked], timing: Timing) -> Evaluation:
    """The first answer's figures; with two answers, the other's beside them."""
    return FIGURES[type(answers[0].answer.result)](task_id, examples, answers, timing)


def _classification(
    task_id: str, examples: Sequence[Example], answers: Sequence[_Asked], timing: Timing
) -> ClassificationEvaluation:
    truth = [cast(str | None, example.label) for example in examples]
    told, has_label = [label for label in truth if label is not None], [label is not None for label in truth]
    scores = [(each.answer.labels or [], cast(ClassScores, each.answer.result)) for each in answers]
    _refuse_none(truth, scores[0][1])
    unknown = [evaluation.unknown_figures(known, truth, each.probabilities, each.unknown) for known, each in scores]
    asked = [(known, told, each.probabilities[has_label]) for known, each in scores]
    figures = [evaluation.classification_figures(*each, none) for each, none in zip(asked, unknown, strict=True)]
    comparison = None
    if len(answers) == 2:
        hits = [evaluation.hits(*each) for each in asked]
        difference = evaluation.classification_difference(figures[0], figures[1], hits[0], hits[1])
        comparison = ClassificationComparison(
            **dict(figures[1]), version=answers[1].answer.version, difference=difference
        )
    return ClassificationEvaluation(
        task=task_id,
        version=answers[0].answer.version,
        num_examples=len(examples),
        **dict(figures[0]),
        comparison=comparison,
        timing=timing,
    )


def _refuse_none(truth: Sequence[str | None], scores: ClassScores) -> None:
    """Examples of none of the labels, where the model has nothing to say of them."""
    if scores.unknown is None:
        message = "expected a label: this model cannot say that it is none of them"
        wrong = [FieldError(f"examples.{place}.label", message) for place, label in enumerate(truth) if label is None]
        codec.refuse(wrong)


def _multilabel(
    task_id: str, examples: Sequence[Example], answers: Sequence[_Asked], timing: Timing
) -> MultilabelEvaluation:
    truth = [codec.labels_of(example) for example in examples]
    asked = [(each.answer.labels or [], truth, cast(TagScores, each.answer.result).probabilities) for each in answers]
    figures = [multilabel.multilabel_figures(*each) for each in asked]
    comparison = None
    if len(answers) == 2:
        exact = [multilabel.are_exact(*each) for each in asked]
        difference = multilabel.multilabel_difference(figures[0], figures[1], exact[0], exact[1])
        comparison = MultilabelComparison(**dict(figures[1]), version=answers[1].answer.version, difference=difference)
    return MultilabelEvaluation(
        task=task_id,
        version=answers[0].answer.version,
        num_examples=len(examples),
        **dict(figures[0]),
        comparison=comparison,
        timing=timing,
    )


def _regression(
    task_id: str, examples: Sequence[Example], answers: Sequence[_Asked], timing: Timing
) -> RegressionEvaluation:
    truth = np.array([np.atleast_1d(cast(float, example.target)) for example in examples], np.float64)
    asked = [cast(ValueScores, each.answer.result) for each in answers]
    figures = [evaluation.regression_figures(truth, each.mean, each.std) for each in asked]
    comparison = None
    if len(answers) == 2:
        errors = [evaluation.squared_errors(truth, each.mean) for each in asked]
        difference = evaluation.regression_difference(figures[0], figures[1], errors[0], errors[1])
        comparison = RegressionComparison(**dict(figures[1]), version=answers[1].answer.version, difference=difference)
    return RegressionEvaluation(
        task=task_id,
        version=answers[0].answer.version,
        num_examples=len(examples),
        **dict(figures[0]),
        comparison=comparison,
        timing=timing,
    )


def _frames(task_id: str, examples: Sequence[Example], answers: Sequence[_Asked], timing: Timing) -> FrameEvaluation:
    truth = [(cast(str, example.label), codec.slots_of(example)) for example in examples]
    texts, asked = [example.input for example in examples], []
    for each in answers:
        found = cast(FrameScores, each.answer.result)
        said = [
            [(slot.name, slot.start, slot.end) for slot in frame.slots]
            for frame in frames_of(each.answer, texts, each.rows)
        ]
        asked.append((each.answer.labels or [], truth, found.probabilities, said))
    figures = [framing.frame_figures(*each) for each in asked]
    comparison = None
    if len(answers) == 2:
        whole = [framing.are_whole(*each) for each in asked]
        difference = framing.frame_difference(figures[0], figures[1], whole[0], whole[1])
        comparison = FrameComparison(**dict(figures[1]), version=answers[1].answer.version, difference=difference)
    return FrameEvaluation(
        task=task_id,
        version=answers[0].answer.version,
        num_examples=len(examples),
        **dict(figures[0]),
        comparison=comparison,
        timing=timing,
    )


FIGURES: Mapping[type[ScoreArrays], Callable[..., Evaluation]] = {
    ClassScores: _classification,
    TagScores: _multilabel,
    ValueScores: _regression,
    FrameScores: _frames,
}
