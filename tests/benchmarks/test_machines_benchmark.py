"""Test that the benchmark of machines tells a good one from a useless one."""

import json

import pytest

from benchmarks import machines


@pytest.mark.long
def test_a_good_machine_adds_points_and_a_useless_one_none(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", "digits", "--seeds", "2", "--sizes", "50", "--processes", "1", "--machines", "85", "noise"]
    assert machines.main([*options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]["digits"]["machines"]
    assert found["85"]["added"][0] >= 0.06
    assert found["noise"]["worst"] == [0.0]
    assert machines.main(options) == 0
    assert "intervals hold" in capsys.readouterr().out
