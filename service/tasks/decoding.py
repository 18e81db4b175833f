"""Requests as sent -> arrays, in a few threads of their own; what takes less than a moment is done at once."""

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from math import inf
from typing import TypeAlias, TypeVar

import numpy as np

from service import codec
from service.catalog import Served
from service.codec.costs import AT_ONCE_US, decoding_us, looking_us, support_us
from service.engine.arrays import Array
from service.errors import MAX_LISTED, FieldError, InvalidRequest
from service.schemas import Example, Input, Kind
from service.settings import MIB, Settings
from service.tasks.turns import Turns
from service.tracing import span

# inputs a thread decodes before another request has its turn; images, also by what they take
TURN = {"image": 64, "text": 256, "vector": 1_024, "table": 512}
TURN_BYTES = 48 * MIB
LOOKED = 16  # pictures whose heads a thread reads before another request has its turn

ON_DECODED: ContextVar[Callable[[int], None]] = ContextVar("on_decoded", default=lambda num_inputs: None)

Result = TypeVar("Result")
Targets: TypeAlias = codec.Targets
Decode: TypeAlias = Callable[..., tuple[Array, list[FieldError]]]  # inputs, and the place of the `first` of them


class Decoding:
    """A bounded pool of threads, and the limits of what is decoded in them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = codec.ImageLimits(
            int(settings.max_image_megapixels * 1e6), int(settings.max_whole_image_megapixels * 1e6)
        )
        self._pictures = Turns(settings.decode_threads, settings.max_decode_mib * MIB, "kshot-picture")
        self._others = Turns(settings.decode_threads, 0, "kshot-decode")  # which need not wait for pictures

    def close(self) -> None:
        """End the threads."""
        self._pictures.close()
        self._others.close()

    async def in_thread(self, tenant: str, work: Callable[[], Result], *, about_us: float = inf) -> Result:
        """Do what would hold up the event loop, when the tenant has its turn; at once if it is short."""
        return work() if about_us <= AT_ONCE_US else await self._others.do(tenant, work)

    async def support(
        self,
        tenant: str,
        examples: Sequence[Example],
        names: Sequence[codec.Name],
        model: Served,
        kind: Kind,
        deadline: float,
        order: Sequence[int] | None = None,
    ) -> tuple[Array, Targets]:
        """Rows [S *X] and targets of a support set; names of labels come behind the examples.

        Targets first: checking them costs nothing, so what breaks a rule is refused before it is decoded.
        """
        targets = await self.targets(tenant, examples, model, kind, names=names)
        return await self.taught(tenant, examples, names, model, deadline, order=order), targets

    async def taught(
        self,
        tenant: str,
        examples: Sequence[Example],
        names: Sequence[codec.Name],
        model: Served,
        deadline: float,
        form: str | None = None,
        kept: Array | None = None,
        order: Sequence[int] | None = None,
    ) -> Array:
        """Rows [S *X] of examples and of names of labels behind them; `kept` are those that the task has already.

        `order` is that of the task's columns in the examples, see codec.column_order.
        """
        inputs = [*(example.input for example in examples), *(name.input for name in names)]
        paths = {f"support.{len(examples) + n}.input": codec.path_of_name(name.label) for n, name in enumerate(names)}
        try:
            rows = await self.inputs(tenant, inputs, model, deadline, "support.{}.input", form, order)
        except InvalidRequest as error:
            raise InvalidRequest.at(
                [FieldError(paths.get(each.path, each.path), each.message) for each in error.errors]
            ) from None
        if model.in_own_units:
            sent = [example.input for example in examples]
            work = partial(codec.blurred, sent, rows[:0] if kept is None else kept, "support.{}.input.{}")
            codec.refuse(await self.in_thread(tenant, work, about_us=decoding_us(sent, [], model.inputs.shape)))
        if any(example.slots for example in examples):
            find = partial(codec.misplaced_slots, examples, rows, "support")
            codec.refuse(await self.in_thread(tenant, lambda: list(find())))
        return rows

    async def targets(
        self,
        tenant: str,
        examples: Sequence[codec.Sent],
        model: Served,
        kind: Kind,
        kept: Sequence[codec.Taught] = (),
        names: Sequence[codec.Name] = (),
    ) -> Targets:
        """The targets of what a task has kept, then of these examples, then of these names of labels."""
        return await self.in_thread(
            tenant,
            partial(
                codec.decode_support,
                examples,
                kind,
                max_examples=min(self._settings.max_examples_of(is_slow=model.is_slow), model.max_rows),
                max_ways=min(self._settings.max_ways, model.max_ways),
                kept=kept,
                names=names,
            ),
            about_us=support_us([*kept, *examples, *names]),
        )

    async def inputs(
        self,
        tenant: str,
        inputs: Sequence[Input],
        model: Served,
        deadline: float,
        path: str,
        form: str | None = None,
        order: Sequence[int] | None = None,
    ) -> Array:
        """Rows [B *X] as the model takes them, decoded in turns with other requests. Raises InvalidRequest.

        `path` says where the inputs came, see codec.decode_inputs. Of a model of several modalities they must be of
        this `form`, or all alike. `order` is that of the task's columns in them, where they are named.
        """
        if order is not None:
            codec.refuse(list(codec.misshapen(inputs, len(order), path)))
        decode = partial(
            codec.decode_inputs,
            preprocess=model.inputs,
            modalities=model.card.modalities,
            limits=self._limits,
            deadline=deadline,
            path=path,
        )
        with span("decode"):
            rows = await self._decoded(tenant, inputs, model, decode, deadline)
        if forms := model.forms(rows):
            codec.refuse(list(codec.misfits(forms, form or forms[0], path)))
        return rows if order is None else codec.arranged(rows, order, model.inputs)

    async def _decoded(
        self, tenant: str, inputs: Sequence[Input], model: Served, decode: Decode, deadline: float
    ) -> Array:
        weights = await self._weights(tenant, inputs, model, deadline)
        if decoding_us(inputs, weights, model.inputs.shape) <= AT_ONCE_US:
            rows, wrong = decode(inputs)
            ON_DECODED.get()(len(inputs))
            codec.refuse(wrong)
            return rows
        return await self._in_turns(tenant, inputs, model, decode, weights, deadline)

    async def _in_turns(
        self,
        tenant: str,
        inputs: Sequence[Input],
        model: Served,
        decode: Decode,
        weights: Sequence[int],
        deadline: float,
    ) -> Array:
        rows = np.zeros((len(inputs), *model.inputs.shape), model.inputs.dtype)
        wrong: list[FieldError] = []
        threads = self._pictures if any(weights) else self._others
        most = min(TURN[modality] for modality in model.card.modalities)
        for first, stop, weight in turns_of(weights, most):
            work = partial(decode, inputs[first:stop], first=first)
            rows[first:stop], errors = await threads.do(tenant, work, weight=weight, deadline=deadline)
            ON_DECODED.get()(stop)
            wrong += errors
            if len(wrong) >= MAX_LISTED:
                break
        codec.refuse(wrong)
        return rows

    async def _weights(self, tenant: str, inputs: Sequence[Input], model: Served, deadline: float) -> list[int]:
        """What decoding each input takes of memory; heads of pictures may be long, so they are read in turns too."""
        if "image" not in model.card.modalities:
            return [0] * len(inputs)
        look = partial(codec.image_bytes, preprocess=model.inputs, limits=self._limits)
        if looking_us(inputs) <= AT_ONCE_US:
            return look(inputs)
        groups = [inputs[first : first + LOOKED] for first in range(0, len(inputs), LOOKED)]
        found = [await self._pictures.do(tenant, partial(look, group), deadline=deadline) for group in groups]
        return [weight for weights in found for weight in weights]


def turns_of(weights: Sequence[int], most: int) -> Iterator[tuple[int, int, int]]:
    """Turns of inputs of these weights: the first, the one behind the last, and their weight at any one time.

    At most so many inputs are of one turn, and no more weight in all than TURN_BYTES but of an input alone.
    """
    first, total = 0, 0
    for place, weight in enumerate(weights):
        if place > first and (place - first == most or total + weight > TURN_BYTES):
            yield first, place, max(weights[first:place])
            first, total = place, 0
        total += weight
    if first < len(weights):
        yield first, len(weights), max(weights[first:])
