"""Progress bars, which need the extra `progress`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import MissingPackage


@contextmanager
def bar(shown: bool, unit: str, *, of_bytes: bool = False) -> Iterator[Callable[[int], object]]:
    """Show a progress bar until the end of the block, if `shown`; yield the function that advances it.

    Raises `MissingPackage` without tqdm.
    """
    if not shown:
        yield lambda n: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise MissingPackage("Progress bars need tqdm: pip install tqdm.") from None
    with tqdm(unit=f" {unit}", unit_scale=of_bytes) as drawn:
        yield drawn.update
