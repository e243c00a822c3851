"""Calls written once, as methods that block on `Client` and are awaited on `AsyncClient`.

A decorator of this module takes a generator function (see `alexnet_client.steps`) and makes a
descriptor of it, which is a plain method of the one class and a coroutine method of the other,
with the same arguments and docstring.

- `call`: gives what the function returns.
- `picture_call`: the same, where one picture gives one result and several give a list.
- `page_call`: gives an iterator over the entries of all pages.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from alexnet_client.awaiting import Awaiting
from alexnet_client.blocking import Blocking
from alexnet_client.picture import Picture, is_one
from alexnet_client.results import Page, PictureResult, only
from alexnet_client.steps import Steps

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=PictureResult)
Function = Callable[..., Any]
_Forms = tuple[Function, Function]
_CURSOR = "cursor"  # the argument of a page's function that is no argument of the method


class BlockingClient:
    """What a client is whose methods block."""

    _runner: Blocking


class AwaitingClient:
    """What a client is whose methods are awaited."""

    _runner: Awaiting


def _dressed(steps: Function, method: Function, result: str) -> Function:
    """Return the method with the name, docstring and signature that ``help`` shows of it."""
    functools.update_wrapper(method, steps)
    del method.__wrapped__  # type: ignore[attr-defined]  # its result is another
    signature = inspect.signature(steps)
    given = [one for one in signature.parameters.values() if one.name != _CURSOR]
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=given, return_annotation=result
    )
    return method


def _result(steps: Function) -> str:
    """Return what stands in the annotation ``Steps[...]``."""
    written: str = steps.__annotations__["return"]
    return written.removeprefix("Steps[").removesuffix("]")


class _Method:
    """A method in two forms; which of them one sees is up to the class it is looked up on."""

    def __init__(self, blocking: Function, awaiting: Function) -> None:
        self._blocking = blocking
        self._awaiting = awaiting

    def _found(self, client: object, owner: type) -> Any:  # noqa: ANN401  a method of either form
        method = self._awaiting if issubclass(owner, AwaitingClient) else self._blocking
        return method if client is None else MethodType(method, client)


def _forms(steps: Callable[..., Steps[Any]], written: Function, result: str) -> _Forms:
    """Return ``steps`` as a method that blocks and one that is awaited, as ``help`` shows them."""

    def blocking(self: BlockingClient, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return self._runner.run(steps(self, *args, **kwargs))

    async def awaiting(self: AwaitingClient, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return await self._runner.run(steps(self, *args, **kwargs))

    return _dressed(written, blocking, result), _dressed(written, awaiting, result)


class Call(_Method, Generic[P, T]):
    """A call that gives what its function returns."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        super().__init__(*_forms(steps, steps, _result(steps)))

    @overload
    def __get__(self, client: BlockingClient, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, client: AwaitingClient, owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Function: ...
    def __get__(self, client: object, owner: type) -> Function:
        found: Function = self._found(client, owner)
        return found


class BlockingPictures(Protocol[P, R]):
    """One picture gives one result, several give a list of as many, in their order."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a str is a path, not several
        self, pictures: Picture, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    def __call__(
        self, pictures: Iterable[Picture], /, *args: P.args, **kwargs: P.kwargs
    ) -> list[R]: ...


class AwaitingPictures(Protocol[P, R]):
    """`BlockingPictures`, to be awaited."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a str is a path, not several
        self, pictures: Picture, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]: ...
    @overload
    def __call__(
        self, pictures: Iterable[Picture], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, list[R]]: ...


class PictureCall(_Method, Generic[P, R]):
    """A call whose function gives a list, and which gives its only entry for a single picture."""

    def __init__(
        self,
        steps: Callable[Concatenate[Any, Picture | Iterable[Picture], P], Steps[list[R]]],
    ) -> None:
        def chosen(
            client: object, pictures: Picture | Iterable[Picture], *args: P.args, **kwargs: P.kwargs
        ) -> Steps[R | list[R]]:
            results = yield from steps(client, pictures, *args, **kwargs)
            return only(results) if is_one(pictures) else results

        several = _result(steps)
        one = several.removeprefix("list[").removesuffix("]")
        super().__init__(*_forms(chosen, steps, f"{one} | {several}"))

    @overload
    def __get__(self, client: BlockingClient, owner: type) -> BlockingPictures[P, R]: ...
    @overload
    def __get__(self, client: AwaitingClient, owner: type) -> AwaitingPictures[P, R]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Function: ...
    def __get__(
        self, client: object, owner: type
    ) -> BlockingPictures[P, R] | AwaitingPictures[P, R] | Function:
        found: BlockingPictures[P, R] | AwaitingPictures[P, R] = self._found(client, owner)
        return found


class PageCall(_Method, Generic[P, T]):
    """A call whose function takes a cursor and gives one page; it iterates over all entries."""

    def __init__(self, steps: Callable[Concatenate[Any, str | None, P], Steps[Page[T]]]) -> None:
        def blocking(self: BlockingClient, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
            cursor = None
            while True:
                page = self._runner.run(steps(self, cursor, *args, **kwargs))
                yield from page.entries
                cursor = page.next_cursor
                if cursor is None:
                    return

        async def awaiting(
            self: AwaitingClient, *args: P.args, **kwargs: P.kwargs
        ) -> AsyncIterator[T]:
            cursor = None
            while True:
                page = await self._runner.run(steps(self, cursor, *args, **kwargs))
                for entry in page.entries:
                    yield entry
                cursor = page.next_cursor
                if cursor is None:
                    return

        entries = _result(steps).removeprefix("Page")
        super().__init__(
            _dressed(steps, blocking, f"Iterator{entries}"),
            _dressed(steps, awaiting, f"AsyncIterator{entries}"),
        )

    @overload
    def __get__(self, client: BlockingClient, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: AwaitingClient, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Function: ...
    def __get__(self, client: object, owner: type) -> Function:
        found: Function = self._found(client, owner)
        return found


# The decorators, in the lower case that one expects of them.
call = Call
picture_call = PictureCall
page_call = PageCall
