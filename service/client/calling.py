"""The two decorators that make a method, written once, a call of both clients."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from service.client.driving import Awaiting, Blocking
from service.client.steps import Steps

P = ParamSpec("P")
T = TypeVar("T")


class Page(Protocol[T]):
    """Some of the items; `next_cursor` leads to the next page, if there is one."""

    @property
    def items(self) -> list[T]: ...  # noqa: D102
    @property
    def next_cursor(self) -> str | None: ...  # noqa: D102


Turn: TypeAlias = Callable[[str | None], Steps[Page[T]]]  # from a cursor to its page


class call(Generic[P, T]):  # noqa: N801 - used as `property` is
    """A method that answers `Steps[T]`: on a Client it answers T, on an AsyncClient it is awaited for T."""

    def __init__(self, method: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._method = method

    @overload
    def __get__(self, client: None, owner: Any) -> Callable[Concatenate[Any, P], Steps[T]]: ...
    @overload
    def __get__(self, client: Blocking, owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: Any) -> Callable[..., Any]:
        return _bound(self._method, client, lambda taker, steps: taker.run(steps))


class pages(Generic[P, T]):  # noqa: N801
    """A method that answers `Turn[T]`: an iterator over all items, which on an AsyncClient is an async one."""

    def __init__(self, method: Callable[Concatenate[Any, P], Turn[T]]) -> None:
        self._method = method

    @overload
    def __get__(self, client: None, owner: Any) -> Callable[Concatenate[Any, P], Turn[T]]: ...
    @overload
    def __get__(self, client: Blocking, owner: Any) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: Any) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: Any) -> Callable[..., Any]:
        return _bound(self._method, client, _walk if isinstance(client, Blocking) else _walk_async)


def _bound(method: Callable[..., Any], client: Any, take: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The method of this client, with its own name, docstring and parameters."""
    if client is None:
        return method
    bound = MethodType(method, client)

    @wraps(bound)
    def taken(*args: Any, **options: Any) -> Any:
        return take(client, bound(*args, **options))

    return taken


def _walk(client: Blocking, turn: Turn[T]) -> Iterator[T]:
    cursor: str | None = None
    while True:
        page = client.run(turn(cursor))
        yield from page.items
        if (cursor := page.next_cursor) is None:
            return


async def _walk_async(client: Awaiting, turn: Turn[T]) -> AsyncIterator[T]:
    cursor: str | None = None
    while True:
        page = await client.run(turn(cursor))
        for item in page.items:
            yield item
        if (cursor := page.next_cursor) is None:
            return
