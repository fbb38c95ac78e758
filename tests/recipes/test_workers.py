"""Tasks in worker processes, in front and behind."""

import time
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


def test_tasks_behind_are_done_when_waited_for(tmp_path: Path) -> None:
    seen: list[int] = []
    with behind(partial(touch, tmp_path), ["a", "b", "c"], workers=1, advance=seen.append) as finish:
        finish()
        assert names(tmp_path) == ["a", "b", "c"]
    assert sum(seen) == 3


def test_what_a_task_raises_is_raised_by_whoever_waits(tmp_path: Path) -> None:
    job = partial(touch, tmp_path)
    with behind(job, ["bad"], workers=1, advance=print) as finish, pytest.raises(InputError, match="this one is bad"):
        finish()


def test_tasks_are_given_up_when_the_block_fails(tmp_path: Path) -> None:
    """A task of ten minutes does not hold up the sentence that the user needs to read."""
    job = partial(touch, tmp_path)
    with pytest.raises(InputError, match="cannot be compared"), behind(job, ["slow"], workers=1, advance=print):
        raise InputError("the samples cannot be compared.")
    assert names(tmp_path) == []


def test_there_is_a_core() -> None:
    assert 1 <= available_cores(2) <= 2
