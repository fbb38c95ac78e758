"""Results in order, whoever makes them; workers that die are told in one sentence."""

import math
import operator
import os
import time
from collections.abc import Iterator

import pytest

from cloudchamber.errors import InputError
from cloudchamber.recipes.ordered import in_order


def test_results_come_in_the_order_of_the_tasks_which_are_taken_as_needed() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for task in range(12):
            taken.append(task)
            yield task

    made = in_order(operator.neg, tasks(), workers=2, ahead=3, start=time.tzset, arguments=())
    assert next(made) == 0
    assert taken == [0, 1, 2]
    assert list(made) == [-task for task in range(1, 12)]


def test_a_worker_that_dies_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="use fewer --workers"):
        list(in_order(os._exit, range(3), workers=1, ahead=2, start=time.tzset, arguments=()))


def test_every_process_is_started_with_the_arguments() -> None:
    with pytest.raises(InputError, match="use fewer --workers"):
        list(in_order(operator.neg, range(3), workers=1, ahead=2, start=math.sqrt, arguments=(-1,)))
