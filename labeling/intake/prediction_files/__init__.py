"""Read predictions that were made outside: arrays in an .npz file, or the rows of a table. Bounded memory, no pickles.

with open_predictions(path, name=name, expected=expected) as file:
    for block in file.blocks():
        ...
"""

from pathlib import Path

from labeling.intake.prediction_files.arrays import ArraysFile
from labeling.intake.prediction_files.base import Block, Expected, PredictionFile
from labeling.intake.prediction_files.rows import RowsFile
from labeling.intake.readers import Layout, UnreadableFile, open_source

__all__ = ["SUFFIXES", "Block", "Expected", "PredictionFile", "check_name", "open_predictions"]

ARRAYS = ".npz"
SUFFIXES = (ARRAYS, ".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")


def check_name(name: str) -> None:
    """Raise `UnreadableFile` for a name that no file of predictions has."""
    if Path(name).suffix.lower() not in SUFFIXES:
        raise UnreadableFile(f"{name}: predictions are read from files that end in {', '.join(SUFFIXES)}.")


def open_predictions(path: Path, *, name: str, expected: Expected) -> PredictionFile:
    """Open a file of predictions, by the ending of its name. Raises `UnreadableFile`."""
    check_name(name)
    if Path(name).suffix.lower() == ARRAYS:
        return ArraysFile(path, name, expected)
    return RowsFile(open_source(path, kind="text", name=name, layout=Layout(unsettled=True)), name, expected)
