"""Adapting on the engine, from inputs or from what is stored of them, to a version that can be stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version as library_version
from typing import Any, Self, cast

from service import codec
from service.catalog import Served
from service.codec.costs import PACKED_US
from service.engine.arrays import Adapted, Array, Forecast, LabelledArrays
from service.engine.ask import Answer
from service.engine.engine import Engine
from service.errors import CannotReadapt, FieldError
from service.ids import new_ids
from service.schemas import CreatedTask, CreateTask, Kind, Origin, Timing
from service.storage.records import ExampleRecord, NewVersion, TaskRecord
from service.tasks.answers import task_of
from service.tasks.damage import refuse_cut, row_bytes, rows_of
from service.tasks.decoding import Decoding, Targets
from service.tasks.transferring import Other

LEAST_SLOTS = 2  # with the outside, also where a task has none: heads need not know of empty axes
LIBRARIES = {name: library_version(name) for name in ("kshot", "torch")}


@dataclass
class Spent:
    """Where the time of one request went, over all that it asked of the engine."""

    queue_ms: float = 0.0
    compute_ms: float = 0.0
    forecast: Forecast | None = None  # of the task that was last adapted

    def add(self, answer: Answer[Any]) -> None:
        """Count one answer of the engine."""
        self.queue_ms += answer.queue_ms
        self.compute_ms += answer.compute_ms
        if isinstance(answer.result, Adapted):
            self.forecast = answer.result.forecast

    def timing(self) -> Timing:
        """The sums, as sent: to the microsecond."""
        return Timing(queue_ms=round(self.queue_ms, 3), compute_ms=round(self.compute_ms, 3))


class Adapting:
    """Makes versions."""

    def __init__(self, engine: Engine, decoding: Decoding) -> None:
        self._engine = engine
        self._decoding = decoding

    async def first(
        self,
        tenant: str,
        model: Served,
        rows: Array,
        targets: Targets,
        deadline: float,
        spent: Spent,
        *,
        number: int = 1,
        origin: Origin = "adapt",
        others: Sequence[Other] = (),
    ) -> tuple[NewVersion, Array | None]:
        """A task's first version on this model, perhaps learned from `others` too; what the model made of its support.

        Which of the others are of use is chosen by what is made of the support, so that it is encoded before.
        """
        if others:
            features = await self.encode(tenant, model, rows, deadline, spent)
            support = labelled_arrays(rows, targets, rows if features is None else features)
            adapted = await self._adapted(tenant, model, support, others, deadline, spent)
            return await self._version(tenant, model, number, origin, rows, targets, adapted, others), features
        answer = await self._engine.adapt(tenant, model.digest, labelled_arrays(rows, targets), deadline)
        spent.add(answer)
        version = await self._version(tenant, model, number, origin, rows, targets, answer.result)
        return version, answer.result.features

    async def next(
        self,
        tenant: str,
        model: Served,
        number: int,
        origin: Origin,
        examples: Sequence[ExampleRecord],
        targets: Targets,
        deadline: float,
        spent: Spent,
        *,
        others: Sequence[Other] = (),
    ) -> NewVersion:
        """A later version, adapted to stored examples; what the encoder made of them is not made again."""
        rows = stored_rows(examples, model)
        features = stored_features(examples, self._engine.blank_features(model.digest))
        if others and features is None:
            features = await self.encode(tenant, model, rows, deadline, spent)
        support = labelled_arrays(rows, targets, rows if others and features is None else features)
        adapted = await self._adapted(tenant, model, support, others, deadline, spent)
        return await self._version(tenant, model, number, origin, rows, targets, adapted, others)

    async def encode(self, tenant: str, model: Served, rows: Array, deadline: float, spent: Spent) -> Array | None:
        """The features of new rows, where the model makes any."""
        answer = await self._engine.encode(tenant, model.digest, rows, deadline)
        spent.add(answer)
        return answer.result.features

    async def _adapted(
        self,
        tenant: str,
        model: Served,
        support: LabelledArrays,
        others: Sequence[Other],
        deadline: float,
        spent: Spent,
    ) -> Adapted:
        support = replace(support, others=tuple(other.arrays for other in others))
        answer = await self._engine.adapt(tenant, model.digest, support, deadline)
        spent.add(answer)
        return answer.result

    async def _version(
        self,
        tenant: str,
        model: Served,
        number: int,
        origin: Origin,
        rows: Array,
        targets: Targets,
        adapted: Adapted,
        others: Sequence[Other] = (),
    ) -> NewVersion:
        make = partial(version_of, model, number, origin, rows, targets, dtype=self._engine.dtype_of(model.digest))
        thresholds = adapted.forecast.thresholds if adapted.forecast else ()
        num_bytes = rows.nbytes + sum(leaf.nbytes for leaf in adapted.params.values())
        version = await self._decoding.in_thread(
            tenant,
            partial(make, params=adapted.params, temperature=adapted.temperature, thresholds=thresholds),
            about_us=PACKED_US * num_bytes,
        )
        if adapted.own is None:
            return version
        own = await self._decoding.in_thread(
            tenant, partial(make, params=adapted.own.params, temperature=adapted.own.temperature)
        )
        sources = [others[place].source for place in adapted.chosen]
        return replace(version, sources=sources, own_params=own.params)


@dataclass(frozen=True)
class Cut:
    """What was longer than the model reads: positions of examples, and labels whose names were."""

    examples: list[int]
    names: list[str]

    @classmethod
    def of(cls, model: Served, rows: Array, names: Sequence[codec.Name]) -> Self:
        """That of rows, of which the last are the names."""
        found, first = model.truncated(rows), len(rows) - len(names)
        return cls([at for at in found if at < first], [names[at - first].label for at in found if at >= first])


def made_task(
    record: TaskRecord,
    spent: Spent,
    sent: Sequence[ExampleRecord] = (),
    cut: Cut | None = None,
    forgotten: Sequence[str] = (),
) -> CreatedTask:
    """The answer of a write that adapted: the task, and what is told of the examples that came with the request.

    It was not adapted to those that were `forgotten`.
    """
    task = task_of(record).model_dump()
    return CreatedTask(
        **task | {"suspects": task["suspects"] or []},
        timing=spent.timing(),
        truncated=cut.examples if cut else [],
        truncated_names=cut.names if cut else [],
        example_ids=[example.example_id for example in sent if example.role == "example"],
        forgotten=list(forgotten),
    )


def version_of(
    model: Served,
    number: int,
    origin: Origin,
    rows: Array,
    targets: Targets,
    params: codec.Params,
    dtype: str,
    temperature: float = 1.0,
    thresholds: Sequence[tuple[float, float]] = (),
) -> NewVersion:
    """A version with these params, divided by this temperature, whose label sets have these thresholds."""
    header: dict[str, object] = {"model": model.card.name, "model_digest": model.digest, "version": str(number)}
    if isinstance(targets, codec.Framed):
        header["slots"] = targets.slots
    if thresholds:
        header["thresholds"] = thresholds
    if temperature != 1:
        header["temperature"] = temperature
    return NewVersion(
        number=number,
        model_digest=model.digest,
        labels=None if isinstance(targets, codec.Measured) else targets.labels,
        output_dim=targets.values.shape[1] if isinstance(targets, codec.Measured) and not targets.scalar else None,
        num_support=len(rows),
        support_digest=codec.support_digest(rows, targets),
        dtype=dtype,
        libraries=LIBRARIES,
        seed=0,  # no method served so far draws random numbers when it adapts
        params=codec.pack_params(params, header),
        origin=origin,
        preprocessing=model.made(rows),
    )


def labelled_arrays(rows: Array, targets: Targets, features: Array | None = None) -> LabelledArrays:
    """One support set as the engine takes it, as features where the encoder has made them already."""
    given, encoded = (rows, False) if features is None else (features, True)
    if isinstance(targets, codec.Measured):
        return LabelledArrays(given, None, 0, targets.values, encoded)
    names, num_ways = targets.names if targets.names.any() else None, len(targets.labels)
    if isinstance(targets, codec.Tagged):
        return LabelledArrays(given, None, num_ways, None, encoded, targets.hot, names)
    arrays = LabelledArrays(given, targets.classes, num_ways, None, encoded, None, names)
    if isinstance(targets, codec.Labelled):
        return arrays
    return replace(arrays, tags=codec.tags_of(targets, rows), num_slots=num_slots(targets))


def num_slots(targets: codec.Framed) -> int:
    """How many slots there are, the outside among them."""
    return max(LEAST_SLOTS, len(targets.slots) + 1)


def kind_of(examples: Sequence[codec.Taught], model: Served) -> Kind:
    """The kind of task that these examples ask for, of those that the model does."""
    has_lists = any(isinstance(example.label, list) for example in examples)
    has_targets = any(example.target is not None for example in examples)
    if has_targets and "regression" in model.card.kinds and all(example.label is None for example in examples):
        return "regression"
    return cast(Kind, "multilabel" if has_lists and "multilabel" in model.card.kinds else model.card.kinds[0])


def refuse_names(names: Sequence[codec.Name], model: Served) -> None:
    """Raise InvalidRequest for names of labels, if the model cannot be told them."""
    if names and not model.takes_names:
        codec.refuse([FieldError("label_names", f"the model {model.card.name} cannot be told what labels mean")])


def refuse_prior(request: CreateTask, kind: Kind, targets: Targets) -> None:
    """Raise InvalidRequest for a prior that a task of these labels cannot have."""
    labels = () if isinstance(targets, codec.Measured) else targets.labels
    codec.refuse(list(codec.wrong_prior(request.prior, kind, labels)))


def refuse_kind(kind: str, model: Served) -> None:
    """Raise CannotReadapt unless the model can do this kind of task."""
    if kind not in model.card.kinds:
        raise CannotReadapt(
            f"The task is a {kind}; {model.card.name}@{model.digest[:12]} does {', '.join(model.card.kinds)}."
        )


def new_examples(
    examples: Sequence[codec.Sent], first_ordinal: int, rows: Array, features: Array | None
) -> list[ExampleRecord]:
    """Rows to store, as the model saw them; the ids of examples that were sent without one are made here."""
    made = iter(new_ids([example.role for example in examples if not example.id]))
    return [
        ExampleRecord(
            example_id=example.id or next(made),
            ordinal=first_ordinal + position,
            label=example.label,
            target=example.target,
            input=rows[position].tobytes(),
            features=None if features is None else features[position].tobytes(),
            role=example.role,
            slots=None if example.slots is None else list(example.slots),
        )
        for position, example in enumerate(examples)
    ]


def stored_rows(examples: Sequence[ExampleRecord], model: Served) -> Array:
    """The inputs [S *X] of stored examples, as this model takes them. Raises TaskDamaged."""
    refuse_cut(examples, model.inputs.dtype, model.inputs.shape)
    return rows_of([example.input for example in examples], model.inputs.dtype, model.inputs.shape)


def stored_features(examples: Sequence[ExampleRecord], blank: Array) -> Array | None:
    """What their version's model made of stored examples [S *F], if that is stored whole of all; `blank` is of none."""
    num_bytes = row_bytes(blank.dtype, blank.shape[1:])
    features = [each.features for each in examples if each.features is not None and len(each.features) == num_bytes]
    return rows_of(features, blank.dtype, blank.shape[1:]) if len(features) == len(examples) else None
