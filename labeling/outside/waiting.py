"""Few web threads wait for servers outside.

A web process has few threads, and a server that a member or an operator names can be silent for as long as it likes. So
whatever asks one while a person waits takes a place first (`Places`): few in all, and fewer for a person, a project and
a server. A short question runs in a thread of its own (`Questions`): a web thread waits for the answer for seconds at
most, and the person asks again.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils.translation import gettext

Result = TypeVar("Result")

WAITING = 2
"""The threads of a process that wait for the answers to all questions at a time. By default it has 8."""
QUICK_SECONDS, LOOK_SECONDS = 0.5, 0.02
"""A thread waits for so long for a place and an answer in any case, unless another question of the same person, project
or server has waited for longer: most answers come sooner, and a page asks for several files at a time.
"""
QUICK = 4
"""The threads of a process that may do so at a time."""
KEPT_SECONDS, MOST_KEPT = 20.0, 8
"""The time for which an answer waits for the person to ask again, and how many answers do."""
AGAIN_SECONDS = 5


class Busy(Exception):
    """Too many others ask servers outside now. The message is for people."""

    def __init__(self) -> None:
        super().__init__(gettext("Too many requests are waiting for external servers. Try again in a few seconds."))


class Later(Exception):
    """The answer is not there yet: ask again."""


class Places:
    """Up to `most` places in this process, and up to `most_of` for each of the things that one is taken for."""

    def __init__(self, most: int, most_of: int) -> None:
        self._most, self._most_of = most, most_of
        self._taken: Counter[Hashable] = Counter()
        self._n = 0
        self._lock = threading.Lock()

    def take(self, of: Iterable[Hashable] = ()) -> Callable[[], None]:
        """Take a place for these things, and return the function that gives it back. Raises `Busy` if none is free."""
        own = frozenset(of)
        with self._lock:
            if self._n >= self._most or any(self._taken[each] >= self._most_of for each in own):
                raise Busy
            self._n += 1
            self._taken.update(own)

        def give_back() -> None:
            with self._lock:
                self._n -= 1
                self._taken.subtract(own)
                self._taken += Counter()  # without those that have none any more

        return give_back


class Held:
    """Chunks of a stream that has a place until it is closed."""

    def __init__(self, give_back: Callable[[], None], chunks: Iterator[bytes]) -> None:
        self._chunks, self._give_back = chunks, give_back
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if isinstance(self._chunks, Generator):
                self._chunks.close()
        finally:
            self._give_back()


@dataclass(eq=False)
class _Question:
    answer: Future[Any]
    give_back: Callable[[], None]
    of: frozenset[Hashable]
    begun: float
    ended: float | None = None
    """The moment at which the answer came."""


class Questions:
    """Questions to servers outside, each in a thread of its own."""

    def __init__(self, most: int, most_of: int, *, seconds: float) -> None:
        """`most`, `most_of`: as for `Places`. `seconds`: the longest time that `ask` waits for an answer."""
        self._places = Places(most, most_of)
        self.seconds = seconds
        self._open: dict[Hashable, _Question] = {}
        self._lock = threading.Lock()

    def ask(self, key: Hashable, question: Callable[[], Result], of: Iterable[Hashable]) -> Result:
        """Return the answer, or raise its exception. Questions with the same key share one answer.

        Raises `Busy` if there is no place, or if `WAITING` threads wait, and `Later` if it takes longer than `seconds`.
        A question that was begun goes on, and its answer is kept for `KEPT_SECONDS`. `question` uses no database.
        """
        asked = self._asked_quickly(key, question, frozenset(of))
        if not asked.answer.done():
            if not _waiting.acquire(blocking=False):
                raise Busy
            try:
                wait_for([asked.answer], self.seconds)
            finally:
                _waiting.release()
            if not asked.answer.done():
                raise Later
        self._forget(key, asked)
        answer: Result = asked.answer.result()
        return answer

    def _asked_quickly(self, key: Hashable, question: Callable[[], Any], of: frozenset[Hashable]) -> _Question:
        """Return the question, which has an answer if that takes less than `QUICK_SECONDS`. Raises `Busy`."""
        may_wait = _quick.acquire(blocking=False)
        until = time.monotonic() + (QUICK_SECONDS if may_wait else 0.0)
        try:
            while (asked := self._begin(key, question, of)) is None:
                if self._is_slow(of) or time.monotonic() > until:
                    raise Busy
                time.sleep(LOOK_SECONDS)
            if not self._is_slow(of):
                wait_for([asked.answer], max(0.0, until - time.monotonic()))
            return asked
        finally:
            if may_wait:
                _quick.release()

    def _is_slow(self, of: frozenset[Hashable]) -> bool:
        """Return whether a question of these things has no answer yet after `QUICK_SECONDS`."""
        since = time.monotonic() - QUICK_SECONDS
        with self._lock:
            return any(each.ended is None and each.begun < since and each.of & of for each in self._open.values())

    def _begin(self, key: Hashable, question: Callable[[], Any], of: frozenset[Hashable]) -> _Question | None:
        """Return the question with this key, which is asked now unless it was before; None without a place for it."""
        now = time.monotonic()
        ended = [(earlier.ended, each, earlier) for each, earlier in list(self._open.items()) if earlier.ended]
        newest_first = sorted(ended, key=lambda kept: kept[0], reverse=True)
        for number, (moment, each, earlier) in enumerate(newest_first):
            if number >= MOST_KEPT or moment < now - KEPT_SECONDS:
                self._forget(each, earlier)
        with self._lock:
            if (present := self._open.get(key)) is not None:
                return present
            try:
                asked = _Question(Future(), self._places.take(of), of, now)
            except Busy:
                return None
            self._open[key] = asked
        context = copy_context()  # the person's language
        # Not of a pool, whose threads a process waits for at its end.
        threading.Thread(target=context.run, args=(_answer, asked, question), daemon=True).start()
        return asked

    def _forget(self, key: Hashable, asked: _Question) -> None:
        with self._lock:
            if self._open.get(key) is asked:
                del self._open[key]


_quick, _waiting = threading.BoundedSemaphore(QUICK), threading.BoundedSemaphore(WAITING)


def _answer(asked: _Question, question: Callable[[], Any]) -> None:
    try:
        asked.answer.set_result(question())
    except BaseException as error:  # noqa: BLE001  handed to the caller
        asked.answer.set_exception(error)
    finally:
        asked.ended = time.monotonic()
        asked.give_back()
