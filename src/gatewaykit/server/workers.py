"""Several processes behind one listening socket, and the parent that looks after them.

Rules
* The socket is bound, and everything is made, before the first fork: what is wrong is said once, by the parent. Nothing
  is connected by then.
* A worker that dies is started again: at once the first time, then after a pause that doubles up to five seconds, until
  it has lived for a while. One that dies before it serves ends the start with a failure.
* SIGTERM and SIGINT reach every worker; the parent waits until all have finished their requests. Whoever does not in
  time is killed. Where the parent is killed, the workers end by themselves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from gatewaykit.clock import SYSTEM
from gatewaykit.server.limits import GRACE_S

__all__ = ["Workers", "can_fork"]

log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_SETTLED_S: Final = 30.0
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


class _Stop(Exception):
    """A signal that ends the parent's waiting."""


def can_fork() -> bool:
    """Whether this system has processes that share what was made before."""
    return hasattr(os, "fork")


class Workers:
    """`count` processes that each run `work(ready)`: it calls `ready` once it serves, and returns when it is over."""

    def __init__(self, count: int, work: Callable[[Callable[[], None]], None]) -> None:
        self._count, self._work = count, work
        self._started_s: dict[int, float] = {}
        self._pause_s = 0.0
        self._stopping = False

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until a signal. `on_ready` is called once all workers serve. 1 where one cannot start."""
        life, held = os.pipe()  # its writing end is the parent's alone: when that closes, workers end
        self._life = life, held
        before = {number: signal.signal(number, self._stop) for number in _STOPS}
        try:
            if not self._all_started(on_ready):
                return 1
            self._look_after()
            return 0
        except _Stop:
            return 0
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
            for each in self._life:
                os.close(each)

    def _all_started(self, on_ready: Callable[[], None]) -> bool:
        told, tell = os.pipe()
        try:
            for _ in range(self._count):
                self._fork(tell)
            os.close(tell)
            tell = -1
            ready = 0
            while some := os.read(told, self._count):  # until each has told or ended
                ready += len(some)
        finally:
            os.close(told)
            if tell >= 0:
                os.close(tell)
        if ready < self._count:
            log.error("%d of %d workers could not start", self._count - ready, self._count)
            return False
        on_ready()
        return True

    def _look_after(self) -> None:
        while self._started_s:
            pid, status = os.wait()
            started_s = self._started_s.pop(pid, None)
            if started_s is None:
                continue
            lived_s = SYSTEM.monotonic() - started_s
            if lived_s >= _SETTLED_S:
                self._pause_s = 0.0
            log.warning("worker %d %s after %.0f s; another one is started", pid, _ended(status), lived_s)
            time.sleep(self._pause_s)
            self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._fork(-1)

    def _fork(self, tell: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._started_s[pid] = SYSTEM.monotonic()
            return
        code = 1
        try:
            for number in _STOPS:
                signal.signal(number, signal.SIG_DFL)
            life, held = self._life
            os.close(held)
            threading.Thread(target=_end_with, args=(life,), daemon=True).start()
            self._work(lambda: _say(tell))
            code = 0
        except KeyboardInterrupt:
            code = 0
        except Exception:
            log.exception("a worker failed")
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            raise _Stop

    def _end(self) -> None:
        """Have every worker finish, and wait for it."""
        self._stopping = True
        for pid in self._started_s:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until_s = SYSTEM.monotonic() + GRACE_S + 5
        while self._started_s:
            with contextlib.suppress(ChildProcessError):
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid:
                    self._started_s.pop(pid, None)
                    continue
                if SYSTEM.monotonic() < until_s:
                    time.sleep(0.02)
                    continue
                for each in self._started_s:
                    os.kill(each, signal.SIGKILL)
                until_s += GRACE_S
                continue
            break


def _end_with(life: int) -> None:
    """In a worker: end when the parent is gone."""
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _say(tell: int) -> None:
    if tell >= 0:
        with contextlib.suppress(OSError):
            os.write(tell, b".")
            os.close(tell)


def _ended(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
