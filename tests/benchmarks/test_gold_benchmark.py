"""Test that the gold simulation finds spammers among many classes, spares good people, and has little power with two
classes.
"""

import json

import pytest

from benchmarks import gold


def test_it_tells_who_is_paused(capsys: pytest.CaptureFixture[str]) -> None:
    assert gold.main(["--people", "400", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    paused = {(row["classes"], row["people"]): row["paused"] for row in result["rows"]}
    assert len(paused) == 27
    assert set(paused[10, "spammer: any class"].values()) == {1.0}
    assert 0.85 < paused[2, "spammer: any class"]["0.8"] < 0.98
    assert paused[10, "good: 90% right"]["0.8"] < 0.02
    # A stricter level finds fewer: the rule of the product is what is asked.
    assert gold.main(["--people", "400", "--json", "--sure", "0.0001"]) == 0
    strict = json.loads(capsys.readouterr().out)["rows"][0]["paused"]
    assert strict["0.8"] < paused[2, "spammer: any class"]["0.8"] - 0.2
