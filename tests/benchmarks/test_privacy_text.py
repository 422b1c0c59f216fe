"""Test `python -m benchmarks.privacy --text`: language models on the lines of a file, and the entries of GCIDE."""

import gzip
import json
import math
from pathlib import Path

import pytest

from benchmarks.efficiency.datasets import DataError
from benchmarks.privacy import __main__ as command
from benchmarks.privacy import dictionary, text
from models_store.privacy.accounting import Phase
from models_store.privacy.planned import epsilon


@pytest.mark.long
def test_a_small_run_says_all_that_is_needed_to_check_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(text, "TESTED", 50)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"the ship number {number} sails the sea" for number in range(300)))
    asked = ["--texts", str(texts), "--examples", "512", "--batches", "16,64", "--epsilon", "8", "--processes", "1"]
    assert command.main([*asked, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(line["target_epsilon"], line["batch"], line["growing"]) for line in result["runs"]] == [
        (None, 16, False), (8.0, 16, False), (8.0, 64, False), (8.0, 64, True)
    ]  # fmt: skip
    for line in result["runs"]:
        phases = [Phase(**phase) for phase in line["phases"]]
        assert sum(phase.steps * phase.sampling_rate for phase in phases) * line["units"] == pytest.approx(512, rel=0.2)
        assert line["units"] == 250
        if line["target_epsilon"] is not None:
            assert line["epsilon"] == pytest.approx(epsilon(phases, line["delta"]))
            assert line["epsilon"] <= 8.001
    table = text.table(result)
    assert "growing to 64" in table
    assert result["classifiers"] == {}, "lines name no field"


def test_with_equal_steps_larger_batches_learn_from_more_texts() -> None:
    works = text.plan(None, 512, (16, 64), (8.0,), [0], steps=30)
    assert [(work.batch, work.growing, work.epsilon, work.examples) for work in works] == [
        (16, False, math.inf, 480), (64, False, math.inf, 1920), (16, False, 8.0, 480), (64, False, 8.0, 1920),
        (64, True, 8.0, 1120),
    ]  # fmt: skip
    assert {work.config(1000).steps for work in works} == {30}


def test_entries_of_the_dictionary_are_read_once_each_and_name_their_field(tmp_path: Path) -> None:
    entries = [
        "Coney  n. (Zoöl.) A rabbit, also its fur, which is made into hats.\n",
        "Rose  n. (Bot.) A flower of the genus Rosa, or (Arch.) a window of its form.\n",
        "short\n",
    ]
    data = "".join(entries).encode()
    (tmp_path / "gcide.dict.dz").write_bytes(gzip.compress(data))
    lengths = [len(entry.encode()) for entry in entries]
    at = [0, lengths[0], lengths[0] + lengths[1]]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    line = "{}\t{}\t{}\n".format
    lines = [
        line(
            name,
            digits[at[place] // 64] + digits[at[place] % 64],
            digits[lengths[place] // 64] + digits[lengths[place] % 64],
        )
        for name, place in (("Coney", 0), ("Cony", 0), ("Rose", 1), ("short", 2))
    ]
    (tmp_path / "gcide.index").write_text("".join(["00-database-info\tA\tB\n", *lines]))

    read = dictionary.entries(tmp_path)

    assert read == [" ".join(entry.split()) for entry in entries[:2]]
    assert dictionary.subject(read[0]) == ("Coney n.  A rabbit, also its fur, which is made into hats.", 0)
    assert dictionary.subject(read[1]) is None, "it names two"
    with pytest.raises(DataError, match="apt-get install dict-gcide"):
        dictionary.entries(tmp_path / "none")
