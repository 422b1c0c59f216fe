"""Workers without shared memory, simulated in this process."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


class Apart:
    """Workers without shared memory: arguments are pickled, and arrays are read-only as in other processes."""

    count = 3

    def share(self, value: Any) -> Any:
        return value

    def map(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        for call in calls:
            for each in (arguments := pickle.loads(pickle.dumps(call))):
                if isinstance(each, np.ndarray):
                    each.flags.writeable = False
            yield function(*arguments)

    def map_kept(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], pieces: int) -> Iterator[Any]:
        for result in self.map(function, calls):
            assert len(result) == pieces
            yield result
