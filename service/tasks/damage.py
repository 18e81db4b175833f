"""What is stored of a task against what was stored: by digest where there is one, else by its size."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from service import codec
from service.engine.arrays import Array
from service.engine.engine import Engine
from service.errors import TaskDamaged, VersionErased
from service.storage import history
from service.storage.failures import translated
from service.storage.readable import damaged_example
from service.storage.records import ExampleRecord, WholeVersion


def params_of(version: WholeVersion, engine: Engine) -> tuple[codec.Params, dict[str, Any]]:
    """The params of a version and their header, as they were stored. Raises VersionErased or TaskDamaged.

    Of a model that is not loaded here only the digest can tell; else their shapes can too.
    """
    if version.params is None:
        raise VersionErased(f"Version {version.number} used an example that has been forgotten since.")
    model = version.model_digest
    shapes = (engine.layout(model), engine.own_sizes(model)) if engine.holds(model) else ()
    try:
        return codec.stored_params(version.params, version.params_digest, *shapes)
    except codec.DamagedParams as error:
        raise TaskDamaged(f"The stored params of version {version.number} are damaged: {error}.") from None


async def is_damaged(session: AsyncSession, engine: Engine, tenant: str, task_id: str, number: int) -> bool:
    """Whether what is kept of a version cannot be read, or its params are not what they must be."""
    try:
        with translated():
            version = await history.get_whole_version(session, tenant, task_id, number)
        if version is None or version.params is None:
            return False
        params_of(version, engine)
    except TaskDamaged:
        return True
    return False


def row_bytes(dtype: str | np.dtype[np.generic], shape: Sequence[int]) -> int:
    """How long a stored row is."""
    return prod(shape) * np.dtype(dtype).itemsize


def cut_ids(examples: Sequence[ExampleRecord], dtype: str, shape: Sequence[int]) -> list[str]:
    """The ids of those whose inputs are not stored whole."""
    return [example.example_id for example in examples if len(example.input) != row_bytes(dtype, shape)]


def refuse_cut(examples: Sequence[ExampleRecord], dtype: str, shape: Sequence[int]) -> None:
    """Raise TaskDamaged if there are such."""
    if cut := cut_ids(examples, dtype, shape):
        raise damaged_example(cut[0])


def rows_of(stored: Sequence[bytes], dtype: str | np.dtype[np.generic], shape: Sequence[int]) -> Array:
    """Stored rows as an array [S *shape]. Raises TaskDamaged if one is not as long as it must be."""
    num_bytes = row_bytes(dtype, shape)
    wrong = [place for place, row in enumerate(stored) if len(row) != num_bytes]
    if wrong:
        raise TaskDamaged(f"Row {wrong[0] + 1} of {len(stored)} is not stored whole; roll back, or delete the task.")
    return np.frombuffer(b"".join(stored), dtype).reshape(len(stored), *shape)
