"""Test that messages between processes arrive unchanged, with arrays in shared memory."""

import gc
import os
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models_store import messages
from models_store.messages import LEAST, receive, send
from models_store.nodes import Outcome

LARGE = np.arange(LEAST, dtype=np.float32).reshape(64, -1)
ARRAYS = arrays.arrays(st.sampled_from(["f4", "i8", "?"]), arrays.array_shapes(min_side=0, max_side=40))


def passed_on(message: Any) -> Any:
    """Return the message as the other process receives it."""
    one, other = Pipe()
    with one, other:
        send(one, message)
        received = receive(other)
        assert not other.poll()
    return received


@given(st.lists(st.one_of(ARRAYS, st.text(), st.binary()), max_size=5), st.integers(0, 2))
def test_whatever_is_sent_arrives(values: list[Any], copies: int) -> None:
    before = messages.LEAST
    messages.LEAST = 100  # so that arrays are of either kind
    try:
        received = passed_on({"values": values * copies, "more": (1, None)})
    finally:
        messages.LEAST = before
    assert received["more"] == (1, None)
    for sent, arrived in zip(values * copies, received["values"], strict=True):
        if isinstance(sent, np.ndarray):
            assert (sent.dtype, sent.shape) == (arrived.dtype, arrived.shape)
        assert np.array_equal(sent, arrived, equal_nan=isinstance(sent, np.ndarray) and sent.dtype == "f4")


def test_arrays_of_any_layout_arrive_and_may_be_changed() -> None:
    sent = Outcome((LARGE, LARGE[::2], LARGE.T, LARGE), "here")
    first, half, turned, again = passed_on(sent).result
    assert np.array_equal(first, LARGE)
    assert np.array_equal(half, LARGE[::2])
    assert np.array_equal(turned, LARGE.T)
    assert first is again  # as in the message
    first[0, 0] = 7
    assert LARGE[0, 0] == 0
    assert turned[0, 0] == 0


@pytest.mark.long
def test_memory_is_freed_with_the_last_array() -> None:
    files = files_open()
    received = passed_on([LARGE, LARGE + 1])
    assert maps_of_messages() == 1
    kept = received[1][3:]
    del received
    gc.collect()
    assert kept[0, 0] == LARGE[3, 0] + 1
    assert maps_of_messages() == 1
    del kept
    gc.collect()
    assert maps_of_messages() == 0
    assert files_open() == files


def files_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def maps_of_messages() -> int:
    return Path("/proc/self/maps").read_text().count("memfd:message")


def answer(pipe: Connection) -> None:
    for _ in range(2):
        send(pipe, [array + 1 for array in receive(pipe)])


def test_two_processes_talk() -> None:
    one, other = Pipe()
    # Forked, because a new interpreter would load torch for seconds.
    process = get_context("fork").Process(target=answer, args=(other,))
    process.start()
    other.close()
    for number in range(2):
        send(one, [LARGE + number, np.arange(3)])
        large, small = receive(one)
        assert np.array_equal(large, LARGE + number + 1)
        assert small.tolist() == [1, 2, 3]
    with pytest.raises(EOFError):
        receive(one)
    process.join()


def test_without_shared_memory_a_file_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    [array] = passed_on([LARGE])
    assert np.array_equal(array, LARGE)
