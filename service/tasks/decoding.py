"""Requests as sent -> arrays, in a few threads of their own."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np

from service import codec
from service.catalog import Served
from service.engine.arrays import Array
from service.errors import MAX_LISTED, FieldError, InvalidRequest
from service.schemas import Example, Input, Kind
from service.settings import Settings
from service.tracing import span

# inputs a thread decodes before another request has its turn
TURN = {"image": 8, "text": 256, "vector": 1_024, "table": 512}

ON_DECODED: ContextVar[Callable[[int], None]] = ContextVar("on_decoded", default=lambda num_inputs: None)

Result = TypeVar("Result")
Targets: TypeAlias = codec.Targets
Decode: TypeAlias = Callable[..., tuple[Array, list[FieldError]]]  # inputs, and the place of the `first` of them


class Decoding:
    """A bounded pool of threads, and the limits of what is decoded in them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="kshot-decode")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)  # a turn is short, and the loop must not wait for it

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Do what would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def support(
        self, examples: Sequence[Example], names: Sequence[codec.Name], model: Served, kind: Kind, deadline: float
    ) -> tuple[Array, Targets]:
        """Rows [S *X] and targets of a support set; names of labels come behind the examples.

        Targets first: checking them costs nothing, so what breaks a rule is refused before it is decoded.
        """
        targets = await self.targets(examples, model, kind, names=names)
        return await self.taught(examples, names, model, deadline), targets

    async def taught(
        self,
        examples: Sequence[Example],
        names: Sequence[codec.Name],
        model: Served,
        deadline: float,
        form: str | None = None,
    ) -> Array:
        """Rows [S *X] of examples and of names of labels behind them."""
        inputs = [*(example.input for example in examples), *(name.input for name in names)]
        paths = {f"support.{len(examples) + n}.input": codec.path_of_name(name.label) for n, name in enumerate(names)}
        try:
            rows = await self.inputs(inputs, model, deadline, "support.{}.input", form)
        except InvalidRequest as error:
            raise InvalidRequest.at(
                [FieldError(paths.get(each.path, each.path), each.message) for each in error.errors]
            ) from None
        if any(example.slots for example in examples):
            codec.refuse(await self.in_thread(lambda: list(codec.misplaced_slots(examples, rows, "support"))))
        return rows

    async def targets(
        self,
        examples: Sequence[codec.Sent],
        model: Served,
        kind: Kind,
        kept: Sequence[codec.Taught] = (),
        names: Sequence[codec.Name] = (),
    ) -> Targets:
        """The targets of what a task has kept, then of these examples, then of these names of labels."""
        return await self.in_thread(
            partial(
                codec.decode_support,
                examples,
                kind,
                max_examples=min(self._settings.max_examples_of(is_slow=model.is_slow), model.max_rows),
                max_ways=min(self._settings.max_ways, model.max_ways),
                kept=kept,
                names=names,
            )
        )

    async def inputs(
        self, inputs: Sequence[Input], model: Served, deadline: float, path: str, form: str | None = None
    ) -> Array:
        """Rows [B *X] as the model takes them, decoded in turns with other requests. Raises InvalidRequest.

        `path` says where the inputs came, see codec.decode_inputs. Of a model of several modalities they must be of
        this `form`, or all alike.
        """
        decode = partial(
            codec.decode_inputs,
            preprocess=model.inputs,
            modalities=model.card.modalities,
            max_pixels=int(self._settings.max_image_megapixels * 1e6),
            deadline=deadline,
            path=path,
        )
        with span("decode"):
            rows = await self._decoded(inputs, decode, min(TURN[modality] for modality in model.card.modalities))
        forms = model.forms(rows)
        codec.refuse(list(codec.misfits(forms, form or (forms or [""])[0], path)))
        return rows

    async def _decoded(self, inputs: Sequence[Input], decode: Decode, turn: int) -> Array:
        parts: list[Array] = []
        wrong: list[FieldError] = []
        for first in range(0, len(inputs), turn):
            rows, errors = await self.in_thread(partial(decode, inputs[first : first + turn], first=first))
            ON_DECODED.get()(min(first + turn, len(inputs)))
            parts.append(rows)
            wrong += errors
            if len(wrong) >= MAX_LISTED:
                break
        codec.refuse(wrong)
        return np.concatenate(parts)
