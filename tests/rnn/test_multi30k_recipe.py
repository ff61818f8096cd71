"""The long recipe, whole, on a data set of a few sentences."""

import gzip
import hashlib
import json
import sys
from pathlib import Path

import pytest

from attnkit.data import corpora
from recipes import multi30k as recipe

GERMAN = ["Ein Hund läuft.", "Zwei Hunde laufen.", "Ein Mann schläft."]
ENGLISH = ["A dog runs.", "Two dogs run.", "A man sleeps."]


@pytest.fixture
def small(monkeypatch, tmp_path):
    folder, sums = tmp_path / "multi30k", {}
    folder.mkdir()
    for name in corpora.CHECKSUMS:
        lines = GERMAN if ".de." in name else ENGLISH
        text = "\n".join(lines * (20 if "train" in name else 2)) + "\n"
        (folder / name).write_bytes(gzip.compress(text.encode()))
        sums[name] = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(corpora, "CHECKSUMS", sums)
    monkeypatch.setenv("ATTNKIT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_recipe_learns_three_sentences_and_resumes(small, monkeypatch):
    pytest.importorskip("sacrebleu")
    command = "multi30k --steps 120 --batch 12 --embed 16 --hidden 24 --lr 0.01"
    monkeypatch.setattr(sys, "argv", f"{command} --folder out --dropout 0".split())
    recipe.main()
    first = json.loads(Path("out/result.json").read_text())
    assert first["token accuracy (val)"] == 1 and first["BLEU (test 2016)"] > 99
    recipe.main()
    assert json.loads(Path("out/result.json").read_text()) == first


def test_rare_words_are_left_out_and_marks_join_their_word():
    words = recipe.vocabulary([["a", "b"], ["b", "c", "b"], ["c"]], 2)
    assert words.symbols[4:] == ("b", "c")
    assert recipe.sentence(["a", "(", "big", ")", "dog", ",", "ran", "."]) == (
        "a (big) dog, ran."
    )
