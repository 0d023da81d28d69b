"""Pins that work in pieces is what it is one by one: order, a failure, and every number of items."""

import threading

import pytest

from lookalike.core.thread_map import thread_map


@pytest.mark.parametrize("n", [0, 1, 7, 200])
@pytest.mark.parametrize("threads", [1, 3, 64])
def test_all_items_in_their_order(n, threads):
    assert list(thread_map(lambda part: [i * i for i in part], range(n), threads)) == [i * i for i in range(n)]


def test_several_threads_work_on_few_items():
    together = threading.Barrier(4)  # each waits for three others
    assert list(thread_map(lambda part: [together.wait(30) >= 0 for _ in part], range(4), 4)) == [True] * 4


def test_a_piece_holds_several_where_there_are_many():
    assert max(thread_map(lambda part: [len(part)] * len(part), range(100), 2)) > 1


def test_the_first_failure_is_raised_after_what_came_before():
    def fails(part):
        if 50 in part:
            raise ValueError("item 50")
        return part

    seen = []
    with pytest.raises(ValueError, match="item 50"):
        for found in thread_map(fails, range(100), 2):
            seen.append(found)
    assert seen == list(range(len(seen))) and 34 < len(seen) <= 50
