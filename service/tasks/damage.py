"""What is stored of a task against what was stored: by digest where there is one, else by its size."""

from collections.abc import Sequence
from hashlib import sha256
from math import prod

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from service.engine.arrays import Array
from service.errors import TaskDamaged
from service.storage import history
from service.storage.records import WholeVersion


def refuse_damaged(version: WholeVersion) -> None:
    """Raise TaskDamaged unless the version's params are those that were stored."""
    if version.params is not None and sha256(version.params).hexdigest() != version.params_digest:
        raise TaskDamaged(
            f"The stored params of version {version.number} do not have the digest that they were stored with."
        )


async def is_damaged(session: AsyncSession, tenant: str, task_id: str, number: int) -> bool:
    """Whether the params of a version are other ones than were stored."""
    version = await history.get_whole_version(session, tenant, task_id, number)
    try:
        if version is not None:
            refuse_damaged(version)
    except TaskDamaged:
        return True
    return False


def rows_of(stored: Sequence[bytes], dtype: str | np.dtype[np.generic], shape: Sequence[int]) -> Array:
    """Stored rows as an array [S *shape]. Raises TaskDamaged if one is not as long as it must be."""
    num_bytes = prod(shape) * np.dtype(dtype).itemsize
    wrong = [place for place, row in enumerate(stored) if len(row) != num_bytes]
    if wrong:
        raise TaskDamaged(f"Row {wrong[0] + 1} of {len(stored)} is not stored whole; roll back, or delete the task.")
    return np.frombuffer(b"".join(stored), dtype).reshape(len(stored), *shape)
