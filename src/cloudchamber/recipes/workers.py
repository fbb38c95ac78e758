"""Independent tasks in worker processes, each reporting how far it is.

Workers are spawned, so that no thread or lock is copied, and talk over a pipe of their own: a worker whose
parent is gone finds the pipe closed and leaves. An interrupt ends all workers and waits for them, so
nothing runs on behind.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from threading import current_thread, main_thread
from typing import Any, Generic, TypeVar

from cloudchamber.errors import InputError

__all__ = ["Advance", "Helpers", "available_cores", "behind", "exit_on_sigterm", "keep_freed_memory", "run_tasks"]

Task = TypeVar("Task")
Advance = Callable[[int], None]
"""Called with the number of events that have been made since the last call."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of options in glibc's malloc.h."""
_KEPT_BYTES = 1 << 30
_SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


def run_tasks(job: Callable[[Task, Advance], None], tasks: Sequence[Task], *, workers: int, advance: Advance) -> None:
    """Do all tasks, in this process or in several.

    Args:
        job: does one task and reports progress; must be picklable for more than one worker.
        tasks: what to do, in any order.
        workers: processes to use at most; with 1, the tasks are done here.
        advance: told the progress of all tasks together.

    Raises:
        InputError: if a task raises it, or a worker was killed.
    """
    if min(workers, len(tasks)) <= 1:
        for task in tasks:
            job(task, advance)
        return
    with _team(job, min(workers, len(tasks))) as team:
        _share(team, deque(tasks), advance)


class Helpers(Generic[Task]):
    """Worker processes that do tasks while the caller goes on with something else; see `behind`."""

    def __init__(
        self, job: Callable[[Task, Advance], None], team: "list[Connection[Any, Any]]", watch: ThreadPoolExecutor
    ) -> None:
        self._job, self._team, self._watch = job, team, watch
        self._given: list[tuple[deque[Task], Future[None]]] = []

    def give(self, tasks: Iterable[Task]) -> None:
        """Hand tasks over, to be done after those before them.

        Args:
            tasks: what to do.
        """
        queue = deque(tasks)
        self._given.append((queue, self._watch.submit(_share, self._team, queue, _ignore)))

    def finish(self) -> None:
        """Do what nobody has begun here, and wait for the rest; raises what a task raised."""
        for queue, _ in self._given:
            while (task := _popped(queue)) is not None:
                self._job(task[0], _ignore)
        for _, done in self._given:
            done.result()


@contextmanager
def behind(job: Callable[[Task, Advance], None], *, workers: int) -> Iterator[Helpers[Task]]:
    """Processes to which tasks can be given; what is not done when the block ends is given up.

    Args:
        job: does one task; must be picklable.
        workers: processes to use.

    Yields:
        To whom tasks are given.
    """
    watch = ThreadPoolExecutor(1)
    try:
        with _team(job, workers) as team:
            yield Helpers(job, team, watch)
    finally:
        watch.shutdown(cancel_futures=True)


@contextmanager
def _team(job: Callable[[Task, Advance], None], workers: int) -> "Iterator[list[Connection[Any, Any]]]":
    """Pipes to worker processes, which end with the block."""
    context = get_context("spawn")
    pipes = [context.Pipe() for _ in range(workers)]
    processes = [context.Process(target=_serve, args=(theirs, job), daemon=True) for _, theirs in pipes]
    try:
        for process, (_, theirs) in zip(processes, pipes, strict=True):
            process.start()
            theirs.close()
        yield [ours for ours, _ in pipes]
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


def keep_freed_memory() -> None:
    """Let this process reuse freed memory instead of giving it back to the kernel and asking for it again.

    Networks allocate and free megabytes many times in a second; with glibc's defaults a tenth of the time of a worker
    goes into page faults. Other C libraries are left as they are.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def available_cores(most: int = 4) -> int:
    """Cores that this process may use.

    Args:
        most: upper limit of the answer.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, most)


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Leave through `SystemExit` on SIGTERM, so that what is half done is tidied up; main thread only."""
    if current_thread() is not main_thread():
        yield
        return
    usual = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def _share(team: list["Connection[Any, Any]"], queue: deque[Task], advance: Advance) -> None:
    """Hand tasks to whoever is free until all are done; others may take from the queue too."""
    busy = {connection for connection in team if _sent(connection, queue)}
    while busy:
        for connection in busy.intersection(wait(list(busy))):
            report = _receive(connection)
            if isinstance(report, int):
                advance(report)
            elif not _sent(connection, queue):
                busy.remove(connection)


def _sent(connection: "Connection[Any, Any]", queue: deque[Task]) -> bool:
    """Send the next task, if there is one."""
    task = _popped(queue)
    if task is not None:
        connection.send(task[0])
    return task is not None


def _popped(queue: deque[Task]) -> tuple[Task] | None:
    """The next task, or None where there is none left."""
    try:
        return (queue.popleft(),)
    except IndexError:
        return None


def _ignore(_more: int) -> None:
    """Progress that nobody asked for."""


def _receive(connection: "Connection[Any, Any]") -> int | None:
    """A worker's progress, or None when its task is done."""
    try:
        report: int | Exception | None = connection.recv()
    except (EOFError, ConnectionError):
        raise InputError(
            "a worker process was killed, perhaps for lack of memory; run the same command again to continue."
        ) from None
    if isinstance(report, Exception):
        raise report
    return report


def _serve(connection: "Connection[Any, Any]", job: Callable[[Task, Advance], None]) -> None:
    """A worker's life: receive a task, do it, say so; leave when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    with suppress(EOFError, ConnectionError):
        while True:
            task = connection.recv()
            connection.send(_outcome(job, task, connection.send))


def _outcome(job: Callable[[Task, Advance], None], task: Task, advance: Advance) -> Exception | None:
    try:
        job(task, advance)
    except (InputError, ConnectionError) as error:
        return error
    except Exception:
        return RuntimeError(f"a worker failed:\n{traceback.format_exc()}")
    return None


def _leave(number: int, frame: object) -> None:
    sys.exit(_SIGTERM_EXIT_CODE)
