"""What cannot be read is read apart from the rest, so that its neighbours need not be read again for it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Set
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from service.errors import TaskDamaged

APART_S: Final = 10.0  # since it could last not be read

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Apart(Generic[Key]):
    """The keys of rows that lately made no sense. They are still read, as they may have been mended."""

    def __init__(self) -> None:
        self._until: dict[Key, float] = {}

    async def read(
        self, keys: Set[Key], read: Callable[[Set[Key]], Coroutine[Any, Any, dict[Key, Found]]]
    ) -> dict[Key, Found | TaskDamaged]:
        """What is found of these: in one go, but for those that are kept apart, and by halves where that fails."""
        now = monotonic()
        apart = {key for key in keys if self._until.get(key, 0.0) > now} if self._until else set()
        return await _merged([self._part(part, read) for part in (keys - apart, *({key} for key in apart)) if part])

    async def _part(
        self, keys: Set[Key], read: Callable[[Set[Key]], Coroutine[Any, Any, dict[Key, Found]]]
    ) -> dict[Key, Found | TaskDamaged]:
        try:
            return {**await read(keys)}
        except TaskDamaged as error:
            reason = error
        if len(keys) > 1:
            members, middle = list(keys), len(keys) // 2
            return await _merged([self._part(set(half), read) for half in (members[:middle], members[middle:])])
        return dict.fromkeys(keys, self._damaged(next(iter(keys)), reason))

    def _damaged(self, key: Key, reason: TaskDamaged) -> TaskDamaged:
        now = monotonic()
        if self._until.get(key, 0.0) <= now:  # once, however often it is asked for
            log.error("what is stored of %s cannot be read", key, exc_info=reason)
            self._until = {each: until for each, until in self._until.items() if until > now}
        self._until[key] = now + APART_S
        return TaskDamaged("What is stored of the task's labels or prior cannot be read.")


async def _merged(parts: list[Coroutine[Any, Any, dict[Key, Found]]]) -> dict[Key, Found]:
    if len(parts) == 1:
        return await parts[0]
    return {key: found for part in await asyncio.gather(*parts) for key, found in part.items()}
