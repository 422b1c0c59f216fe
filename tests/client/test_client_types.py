"""Test that each method has its type on a blocking and on an async connection, from one declaration."""

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]

USES = """
from marginalia_client import AsyncMarginalia, Marginalia

blocking, waiting = Marginalia("http://x", "t").project("p"), AsyncMarginalia("http://x", "t").project("p")
reveal_type(blocking.items.add([]))  # Added
reveal_type(waiting.items.add([]))  # Coroutine[Any, Any, Added]
reveal_type(blocking.batches.list())  # Iterator[Batch]
reveal_type(waiting.batches.list())  # AsyncIterator[Batch]
reveal_type(Marginalia("http://x", "t").create_project("p", kind="text", classes=[]))  # Project[Blocking]
[each.external_id for each in blocking.items]
blocking.items.add(7)  # error
waiting.batches.wait_done(1, seconds=3)  # error
[each for each in waiting.items]  # error
"""


@pytest.mark.long
def test_types_of_results_and_of_wrong_calls(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(USES)
    options = ["--strict", "--config-file=", f"--cache-dir={tmp_path}", "--no-error-summary"]
    output, _, _ = api.run([*options, str(tmp_path / "uses.py")])
    said = dict(re.findall(r"uses\.py:(\d+): \w+: (.*)", output))
    for number, line in enumerate(USES.splitlines(), 1):
        _, _, expected = line.partition("  # ")
        type_of = re.findall(r'Revealed type is "(.*)"', said.get(str(number), ""))
        found = re.sub(r"\b\w+\.", "", type_of[0]) if type_of else "error" if str(number) in said else ""
        assert found == expected, line + "\n" + output
