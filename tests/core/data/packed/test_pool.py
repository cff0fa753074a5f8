"""The map over processes: order, how far it runs ahead, and what becomes of its workers."""

import os
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from core.data.packed._pool import available_cores, ordered_map
from core.errors import DataError


class Answer(NamedTuple):
    square: int
    worker: int
    sees_ctrl_c: bool


def slow_square(number: int) -> Answer:
    time.sleep(0.05 if number % 3 == 0 else 0.0)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return Answer(number * number, os.getpid(), signal.SIGINT not in blocked)


def die_at_three(number: int) -> int:
    if number == 3:
        os._exit(1)
    return number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ZeroDivisionError("three")
    return number


def test_results_come_in_order_and_few_items_are_drawn_ahead() -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for number in range(40):
            drawn += 1
            yield number

    workers = set()
    for index, answer in enumerate(ordered_map(slow_square, items(), num_workers=2)):
        assert answer.square == index * index
        assert drawn <= index + 6
        assert not answer.sees_ctrl_c
        workers.add(answer.worker)
    assert index == 39
    assert os.getpid() not in workers
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_one_worker_is_the_calling_process_and_draws_nothing_ahead() -> None:
    numbers = iter(range(9))
    results = ordered_map(slow_square, numbers, num_workers=1)
    assert next(results) == Answer(0, os.getpid(), True)
    assert next(numbers) == 1


def test_a_worker_that_dies_ends_the_map_with_an_error() -> None:
    with pytest.raises(DataError, match=r"A worker process died.*try fewer workers"):
        list(ordered_map(die_at_three, range(40), num_workers=2))


def test_an_error_of_the_function_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError, match="three"):
        list(ordered_map(fail_at_three, range(40), num_workers=2))


def test_closing_early_ends_the_workers() -> None:
    results = ordered_map(slow_square, range(1000), num_workers=2)
    worker = next(results).worker
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_there_is_a_core() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
