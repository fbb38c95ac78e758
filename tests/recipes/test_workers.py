"""Tasks in worker processes, in front and behind."""

import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from cloudchamber.errors import InputError
from cloudchamber.recipes.workers import Advance, available_cores, behind, run_tasks


def touch(folder: Path, name: str, advance: Advance) -> None:
    if name == "bad":
        raise InputError("this one is bad.")
    if name == "slow":
        time.sleep(600)
    (folder / name).touch()
    advance(1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_all_tasks_are_done(workers: int, tmp_path: Path) -> None:
    seen: list[int] = []
    run_tasks(partial(touch, tmp_path), ["a", "b", "c"], workers=workers, advance=seen.append)
    assert names(tmp_path) == ["a", "b", "c"]
    assert sum(seen) == 3


def test_tasks_behind_are_done_there_or_here(tmp_path: Path) -> None:
    with behind(partial(touch, tmp_path), workers=2) as helpers:
        helpers.give(["a", "b", "c"])
        helpers.give(["d"])
        helpers.finish()
        assert names(tmp_path) == ["a", "b", "c", "d"]


def test_what_nobody_has_begun_is_done_here(tmp_path: Path) -> None:
    """The helper sleeps for ten minutes, so the rest can only have been done here."""
    here: list[str] = []
    with behind(partial(touch, tmp_path), workers=1) as helpers:
        helpers._job = lambda task, _advance: here.append(task)
        helpers.give(["slow", "a", "b"])
        helpers._given[0] = (helpers._given[0][0], Future())
        helpers._given[0][1].set_result(None)
        helpers.finish()
    assert here in (["a", "b"], ["slow", "a", "b"])
    assert names(tmp_path) == []


def test_what_a_task_raises_is_raised_by_whoever_waits(tmp_path: Path) -> None:
    with behind(partial(touch, tmp_path), workers=1) as helpers:
        helpers.give(["bad"])
        with pytest.raises(InputError, match="this one is bad"):
            helpers.finish()


def test_tasks_are_given_up_when_the_block_fails(tmp_path: Path) -> None:
    """A task of ten minutes does not hold up the sentence that the user needs to read."""

    def fail() -> None:
        with behind(partial(touch, tmp_path), workers=1) as helpers:
            helpers.give(["slow", "never begun"])
            raise InputError("the samples cannot be compared.")

    with pytest.raises(InputError, match="cannot be compared"):
        fail()
    assert names(tmp_path) == []


def test_there_is_a_core() -> None:
    assert 1 <= available_cores(2) <= 2
