"""Results of independent tasks in the order of the tasks, made by worker processes that stay a few tasks ahead."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from cloudchamber.errors import InputError

__all__ = ["in_order"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int,
    ahead: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
) -> Iterator[Result]:
    """Do tasks in worker processes and hand their results on in order, with bounded memory.

    Args:
        work: does one task; a function of a module.
        tasks: what to do; taken as they are needed.
        workers: processes, spawned, so that no thread or lock is copied.
        ahead: results that may wait.
        start: called once in each process, before all tasks.
        arguments: of `start`.

    Yields:
        One result for each task.

    Raises:
        InputError: if a process was killed.
    """
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start, arguments) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise InputError("a worker process was killed, perhaps for lack of memory; use fewer --workers.") from None
        finally:
            pool.shutdown(cancel_futures=True)
