"""Apply functions to shards of a pool in parallel, in threads of this process or in workers without shared memory."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from selector.compiled import Threads, parts
from selector.sharded import Workers

# Shards begin at multiples of so many rows, so that whatever looks at blocks of them sees the same ones.
BLOCK = 4096
_EACH = 2  # shards a core
# Numbers that are looked at in all. Fewer take one core a minute at most, and are not worth the trouble of others.
_WORTH_SHARING = 1 << 40


class Shards:
    """Arrays over the same rows, for repeated calls of functions on their shards."""

    def __init__(self, arrays: Sequence[NDArray[Any]], times: int, workers: Workers | None) -> None:
        """Divide the arrays into shards. `times`: about how often the functions will read each row."""
        numbers = sum(array.size for array in arrays) * times
        self._workers = workers if numbers >= _WORTH_SHARING else None
        count = Threads().count if self._workers is None else _EACH * self._workers.count
        n = len(arrays[0])
        self._rows = [slice(first * BLOCK, min(last * BLOCK, n)) for first, last in parts(-(-n // BLOCK), count)]
        share: Callable[[NDArray[Any]], Any] = _itself if self._workers is None else self._workers.share
        self._arrays = [[share(array[rows]) for array in arrays] for rows in self._rows]

    def update(self, function: Callable[..., NDArray[Any]], values: NDArray[Any], *others: NDArray[Any]) -> None:
        """Set `values`, one for each row, to `function(*arrays, values, *others)` of each shard."""
        calls = [(*arrays, values[rows], *others) for rows, arrays in zip(self._rows, self._arrays, strict=True)]
        for rows, updated in zip(self._rows, self._results(function, calls), strict=True):
            values[rows] = updated

    def _results(self, function: Callable[..., NDArray[Any]], calls: list[tuple[Any, ...]]) -> Iterable[NDArray[Any]]:
        if self._workers is not None:
            return self._workers.map(function, calls)
        if len(calls) < 2:
            return [function(*call) for call in calls]
        with Threads() as threads:
            return list(threads.map(function, calls))


def _itself(array: NDArray[Any]) -> NDArray[Any]:
    return array
