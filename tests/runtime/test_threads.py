"""The work on one picture in several threads."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from learned_jpeg.runtime import machine, threads

import pytest


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.setattr(threads, "_most", None)
    yield
    assert threads._busy == 0


class Crowd:
    """Calls that note their threads, and the most threads at a time."""

    def __init__(self, seconds=0.01):
        self.seconds, self.most, self.seen = seconds, 0, set()
        self._inside, self._lock = 0, threading.Lock()

    def __call__(self):
        with self._lock:
            self.seen.add(threading.get_ident())
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(self.seconds)
        with self._lock:
            self._inside -= 1


@pytest.mark.parametrize("number", [1, 2, 5])
def test_results_come_in_order_from_as_many_threads_as_may_be(number):
    meeting, met = threading.Barrier(number), number * [None]

    def call(i):
        if i < number:
            met[i] = meeting.wait(20)  # all of them at the same time
        return i * i

    with threads.at_work(number):
        assert threads.share([partial(call, i) for i in range(30)]) == [i * i for i in range(30)]
    assert None not in met
    assert threads.share([]) == []


def test_without_a_number_it_is_that_of_the_cores_or_the_processs_limit(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 3)
    for limit, expected in ((None, 3), (2, 2), (1, 1)):
        threads.limit(limit)
        crowd = Crowd()
        threads.share(12 * [crowd])
        assert crowd.most == expected


def test_as_many_pictures_as_cores_have_one_each():
    crowd, ready, done = Crowd(), threading.Barrier(5), threading.Barrier(5)
    threads.limit(5)

    def picture():
        with threads.at_work():
            ready.wait(20)
            threads.share(6 * [lambda: threads.share(3 * [crowd])])
            done.wait(20)
            return threading.get_ident()

    with ThreadPoolExecutor(5) as pool:
        assert {one.result() for one in [pool.submit(picture) for _ in range(5)]} == crowd.seen
    assert crowd.most == 5


def test_calls_within_calls_have_no_more_threads():
    crowd = Crowd()
    with threads.at_work(3):
        threads.share(4 * [lambda: threads.share(4 * [crowd])])
    assert crowd.most == 3


def test_who_helps_leaves_when_another_picture_begins():
    helped, begun, end = (threading.Event() for _ in range(3))
    callers, own = [], threading.get_ident()
    threads.limit(2)

    def another():
        helped.wait(20)
        with threads.at_work():
            begun.set()
            end.wait(20)

    def call():
        callers.append(threading.get_ident())
        if callers[-1] != own:
            helped.set()
        begun.wait(20)

    other = threading.Thread(target=another)
    other.start()
    threads.share(10 * [call])
    end.set()
    other.join()
    assert callers.count(own) == 9


def test_an_error_ends_it_and_is_raised():
    begun = []

    def call(i):
        begun.append(i)
        time.sleep(0.002)
        if i == 5:
            raise IndexError("five")

    with threads.at_work(2), pytest.raises(IndexError, match="five"):
        threads.share([partial(call, i) for i in range(500)])
    assert len(begun) < 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_has_its_own_threads_alone():
    begun, end = threading.Event(), threading.Event()

    def other():
        with threads.at_work(2):
            threads.share([begun.set, partial(end.wait, 20)])

    helper = threading.Thread(target=other)
    helper.start()
    begun.wait(20)
    if (child := os.fork()) == 0:
        crowd = Crowd()
        with threads.at_work(2):
            threads.share(8 * [crowd])
        os._exit(crowd.most)
    most = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    end.set()
    helper.join()
    assert most == 2


def test_parts_cover_all_blocks_and_do_not_depend_on_the_threads():
    for rows, columns in ((1, 1), (4096, 1), (4097, 1), (500, 750), (3, 9000)):
        parts = threads.parts(rows, columns)
        assert [i for part in parts for i in range(rows)[part]] == list(range(rows))
        assert all((part.stop - part.start) * columns <= max(4096, columns) for part in parts)
