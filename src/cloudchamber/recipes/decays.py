"""Decays of a whole file of events, in blocks with a random stream of their own."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from cloudchamber.errors import InputError
from cloudchamber.events import Events, Level
from cloudchamber.formats import files
from cloudchamber.recipes.workers import Advance, exit_on_sigterm
from cloudchamber.simulate.decay import BLOCK, Decayer

__all__ = ["decay_block", "decay_file"]

_ATTEMPTS = 20
_READ_EVENTS = 64 * BLOCK


def decay_file(
    source: Path, target: Path, *, seed: int, history: bool = False, advance: Advance = lambda made: None
) -> int:
    """Finish the decays of a file of `primary` or `pi0` events, streamed.

    Args:
        source: a file of events or a folder of shards.
        target: the file to make; its suffix picks the format.
        seed: not negative; each block of 256 events has a random stream of its own.
        history: keep decayed particles and vertices.
        advance: told how many events have been decayed.

    Returns:
        The number of events.

    Raises:
        InputError: if a file cannot be read or written, or its events cannot be decayed.
    """
    if seed < 0:
        raise InputError(f"--seed {seed} is impossible: it must be at least 0.")
    files.require_other_path(source, target)
    if (run := files.read_run(source)).level is Level.STABLE:
        raise InputError(f"the decays of '{source}' are finished already: its level is stable.")
    decayer, done = Decayer(), 0
    with exit_on_sigterm(), files.open_writer(target, run) as writer:
        for block, events in enumerate(_blocks(files.iterate(source, _READ_EVENTS))):
            decayed = decay_block(decayer, events, seed=seed, block=block, history=history)
            writer.run = decayed.run
            writer.write(decayed)
            advance(len(events))
            done += len(events)
    return done


def _blocks(parts: Iterable[Events]) -> Iterator[Events]:
    """The same events in blocks of `BLOCK`, the last one shorter."""
    held: Events | None = None
    for part in parts:
        held = part if held is None else Events.concatenate([held, part])
        whole = len(held) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            yield held[start : start + BLOCK]
        held = held[whole:]
    if held is not None and len(held):
        yield held


def decay_block(decayer: Decayer, events: Events, *, seed: int, block: int, history: bool) -> Events:
    """Decay a block, and again from fresh streams what failed.

    Args:
        decayer: does the decays.
        events: at most `BLOCK` events.
        seed: the user's seed.
        block: number of the block.
        history: keep decayed particles and vertices.

    Raises:
        InputError: if an event fails every time.
    """
    decayed, failed = decayer.decay(events, seed=seed, block=block, history=history)
    for attempt in range(1, _ATTEMPTS):
        if len(failed) == 0:
            return decayed
        again = decayer.decay(events[failed], seed=seed, block=block, attempt=attempt, history=history)
        order = np.arange(len(events))
        order[failed] = len(events) + np.arange(len(failed))
        decayed = Events.concatenate([decayed, again.events])[order]
        failed = failed[again.failed]
    raise InputError(
        f"event {block * BLOCK + int(failed[0])} cannot be decayed: a particle is too light for all its "
        "decay channels; leave the event out."
    )
