"""A polite end on SIGTERM and SIGINT: the first is noted, a second one has its usual effect."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["StopRequest", "stop_on_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Note signals instead of dying from them; outside the main thread they are left alone.

    Yields:
        What has been received so far.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    usual: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        request.received = signal.Signals(number)
        _restore(usual)

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        _restore(usual)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
