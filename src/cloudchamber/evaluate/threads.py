"""Many comparisons at a time: one thread for each core, each with linear algebra on one core.

Small matrix products share cores badly: threads of the linear algebra under threads of our own wait for each other.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ["threads"]


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """A pool of as many threads as there are cores."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        yield pool
