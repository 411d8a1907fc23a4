"""Python callables as Lambda functions: who runs them, on which thread, and for how long.

An async handler runs inline. Any other runs on a thread of its function's own, of which there is a fixed number, so
that handlers that hang delay only their own function. A thread cannot be stopped: one whose caller has given up counts
as busy until its handler returns. Threads are daemons; a hung handler does not keep the program from ending.

On Lambda a handler runs on the main thread, where `asyncio.get_event_loop()` finds a loop; adapters such as Mangum live
on that. So every thread here has a loop of its own, which also runs what a sync handler returns unawaited.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from gatewaykit.errors import words_of
from gatewaykit.upstream.lambda_context import LambdaContext

__all__ = ["Failure", "FunctionRunner", "MAX_EVENT_BYTES", "MAX_RESULT_BYTES"]

MAX_EVENT_BYTES: Final = 6_291_456
"""Lambda's quota for the payload of a call that is waited for: 6 MB."""

MAX_RESULT_BYTES: Final = 6_291_556
"""The same for what it returns, as Lambda's own error names it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no result: `kind` is raised, result, timeout or busy. `cause` is what a handler raised.

    A remote call may also be denied, or fail on its way.
    """

    kind: str
    error_type: str
    message: str
    cause: BaseException | None = None


class FunctionRunner:
    """Runs one function. An event is a JSON value made for this call alone, a result is taken as the JSON value it
    stands for: nothing is shared with the handler.
    """

    __slots__ = ("_handler", "_is_async", "_tasks", "_workers")

    def __init__(self, name: str, handler: Callable[..., Any], workers: int) -> None:
        self._handler = handler
        self._is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004 - not a test for callability: an object may have an async one
        )
        self._workers = _Workers(name, workers)
        self._tasks: set[asyncio.Task[object]] = set()

    async def call(self, event: object, context: LambdaContext, timeout_s: float) -> object:
        """The handler's result as a JSON value, or a Failure.

        Where no event loop runs there is none to keep free, and none to time a call by: any handler runs here and now.
        """
        if not _loop_runs():
            return await self._call_here(event, context)
        if self._is_async:
            return await self._call_inline(event, context, timeout_s)
        call = _Call(lambda: _result(self._handler, event, context))
        self._workers.submit(call)
        try:
            async with asyncio.timeout(timeout_s):
                return await call.future
        except TimeoutError:
            if self._workers.withdraw(call):
                return Failure("busy", "Busy", f"no worker of the function was free within {timeout_s:g} s")
            return Failure("timeout", "Timeout", f"the function did not return within {timeout_s:g} s")
        except asyncio.CancelledError:
            self._workers.withdraw(call)
            raise

    def fire(self, event: object, context: LambdaContext) -> None:
        """Start a call that nobody waits for (`X-Amz-Invocation-Type: Event`)."""
        if self._is_async:
            task: asyncio.Task[object] = asyncio.ensure_future(self._call_inline(event, context, None))
            self._tasks.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(self._tasks.discard)
        else:
            self._workers.submit(_Call(lambda: _result(self._handler, event, context)))

    async def _call_inline(self, event: object, context: LambdaContext, timeout_s: float | None) -> object:
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                return _json_value(await self._handler(event, context))
        except TimeoutError as error:
            if deadline.expired():
                return Failure("timeout", "Timeout", f"the function did not return within {timeout_s:g} s")
            return _raised(error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _raised(error)  # nobody has cancelled this call: it comes from something that the handler awaited
        except (KeyboardInterrupt, GeneratorExit):
            raise  # on this thread the first may be the user's own, and the second closes a coroutine
        except BaseException as error:  # noqa: BLE001 - whatever else a handler raises is a function error
            return _raised(error)

    async def _call_here(self, event: object, context: LambdaContext) -> object:
        try:
            result = self._handler(event, context)
            return _json_value(await result if inspect.isawaitable(result) else result)
        except (KeyboardInterrupt, GeneratorExit):
            raise  # as above
        except BaseException as error:  # noqa: BLE001 - as above
            return _raised(error)

    async def aclose(self) -> None:
        """Let idle workers go, and cancel what runs unattended."""
        self._workers.close()
        for task in tuple(self._tasks):
            task.cancel()


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _result(handler: Callable[..., Any], event: object, context: LambdaContext) -> object:
    try:
        result = handler(event, context)
        if inspect.iscoroutine(result):  # an async handler behind a decorator that is not
            result = asyncio.get_event_loop().run_until_complete(result)
        return _json_value(result)
    except BaseException as error:  # noqa: BLE001 - whatever a handler raises, SystemExit too, is a function error
        return _raised(error)


def _json_value(result: object) -> object:
    """The JSON value that Lambda's Python runtime makes of a result: a Decimal is a number, as DynamoDB gives them."""
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False, default=_number)
        if len(text) > MAX_RESULT_BYTES // 4 and (size := len(text.encode("utf-8", "replace"))) > MAX_RESULT_BYTES:
            message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size"
            return Failure("raised", "Function.ResponseSizeTooLarge", f"{message} ({MAX_RESULT_BYTES} bytes).")
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        return Failure("result", "Runtime.MarshalError", f"Unable to marshal response: {error}")


def _number(value: object) -> int | float:
    if isinstance(value, Decimal) and value.is_finite():
        whole = value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
        return int(value) if whole else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_MOST_DIGITS: Final = 40  # of a Decimal that becomes a whole number; DynamoDB has 38


def _raised(error: BaseException) -> Failure:
    return Failure("raised", type(error).__name__, words_of(error), error)


class _Call:
    """One call on its way to a worker. Its future belongs to the event loop that made it."""

    __slots__ = ("_context", "_loop", "_run", "future")

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[object] = self._loop.create_future()

    def run(self) -> object:
        """The result; in a worker."""
        return self._context.run(self._run)

    def deliver(self, result: object) -> None:
        """Hand the result to the loop; from a worker."""
        try:
            self._loop.call_soon_threadsafe(self._deliver, result)
        except RuntimeError:  # the loop has closed in the meantime: nobody is left to hear it
            pass

    def _deliver(self, result: object) -> None:
        if not self.future.done():
            self.future.set_result(result)


@dataclass(slots=True)
class _Workers:
    """At most `most` daemon threads that take calls from one line, started as they are needed."""

    name: str
    most: int
    _line: deque[_Call] = field(default_factory=deque)
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _threads: int = 0
    _idle: int = 0  # threads that run no call: waiting, just starting, or about to wait
    _closed: bool = False

    def submit(self, call: _Call) -> None:
        with self._wake:
            self._closed = False
            self._line.append(call)
            if self._idle >= len(self._line):
                self._wake.notify()
            elif self._threads < self.most:
                self._threads += 1
                self._idle += 1
                threading.Thread(target=self._work, name=f"function {self.name}", daemon=True).start()

    def withdraw(self, call: _Call) -> bool:
        """Take a call out of the line. False when it has begun already."""
        with self._wake:
            if call not in self._line:
                return False
            self._line.remove(call)
            return True

    def close(self) -> None:
        """Let idle workers go. A later call starts one again."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _work(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            self._take_calls(loop)
        finally:
            loop.close()

    def _take_calls(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            with self._wake:
                while not self._line:
                    if self._closed:
                        self._threads -= 1
                        self._idle -= 1
                        return
                    self._wake.wait()
                self._idle -= 1
                call = self._line.popleft()
            asyncio.set_event_loop(loop)  # for each call anew: `asyncio.run` takes it away at its end
            result = call.run()
            with self._wake:
                self._idle += 1  # before the result is known: the next call finds this worker free
            call.deliver(result)
            del call, result  # a waiting worker must not keep the last event and result alive
