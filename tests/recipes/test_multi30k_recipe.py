"""The long recipe, whole, on a data set of a few sentences."""

import gzip
import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from attnkit.data import corpora
from attnkit.data.generate import mixed
from recipes import multi30k as recipe

GERMAN = ["Ein Hund läuft.", "Zwei Hunde laufen.", "Ein Mann schläft."]
ENGLISH = ["A dog runs.", "Two dogs run.", "A man sleeps."]


def put(monkeypatch, tmp_path, train: tuple[list, list], other: tuple[list, list]):
    """A data set in the place of Multi30k, and the recipe's folder beside it."""
    folder, sums = tmp_path / "multi30k", {}
    folder.mkdir()
    for name in corpora.CHECKSUMS:
        lines = (train if "train" in name else other)[".en." in name]
        text = "\n".join(lines) + "\n"
        (folder / name).write_bytes(gzip.compress(text.encode()))
        sums[name] = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(corpora, "CHECKSUMS", sums)
    monkeypatch.setenv("ATTNKIT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small(monkeypatch, tmp_path):
    train, other = (GERMAN * 20, ENGLISH * 20), (GERMAN * 2, ENGLISH * 2)
    put(monkeypatch, tmp_path, train, other)


@pytest.fixture
def generated(monkeypatch, tmp_path):
    """50 pairs made by rule, in place of the corpus."""
    pairs = mixed(60, 1)
    lines = ["".join(s) for s in pairs.source], [" ".join(t) for t in pairs.target]
    put(
        monkeypatch,
        tmp_path,
        tuple(side[:50] for side in lines),
        tuple(side[50:] for side in lines),
    )


def run(monkeypatch, command: str) -> dict:
    """Run the recipe with these options; what it has written down."""
    monkeypatch.setattr(sys, "argv", f"multi30k --folder out {command}".split())
    recipe.main()
    return json.loads(Path("out/result.json").read_text())


@pytest.mark.parametrize(
    "command",
    [
        "--embed 16 --hidden 24 --dropout 0 --lr 0.01 --steps 120 --batch 12",
        "--model transformer --pieces 60 --embed 16 --hidden 32 --layers 1 --heads 2 "
        "--dropout 0 --lr 0.01 --steps 120 --batch 12",
    ],
)
def test_recipe_learns_three_sentences_and_resumes(small, monkeypatch, command):
    pytest.importorskip("sacrebleu")
    pytest.importorskip("tokenizers")
    first = run(monkeypatch, command)
    assert first["next-symbol accuracy (val)"] == 1 and first["BLEU (test 2016)"] > 99
    assert Path("out/test.en").read_text().splitlines()[1] == "two dogs run."
    assert Path("out/maps.png").stat().st_size > 1000
    assert run(monkeypatch, command) == first
    other = run(monkeypatch, f"{command} --steps 2 --dropout 0.5")
    assert other["steps"] == 2 and other["settings"]["dropout"] == 0.5


def test_a_run_in_two_parts_is_the_run_in_one(generated, monkeypatch):
    """Subwords are learned, three steps made, the report written, the run resumed."""
    pytest.importorskip("sacrebleu")
    pytest.importorskip("tokenizers")
    tiny = "--base --pieces 90 --embed 16 --hidden 32 --layers 1 --heads 2 --batch 20"
    whole = run(monkeypatch, f"{tiny} --steps 3 --warm 2 --beam 1")
    assert whole["steps"] == 3 and whole["settings"]["warm"] == 2
    assert whole["symbols"] == [90, 90]

    fit, stopped = recipe.fit, {"stop": lambda model: True, "every": 2}
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "fit", lambda *a, **k: fit(*a, **k, **stopped))
        part = run(monkeypatch, f"{tiny} --steps 3 --warm 2 --beam 1 --fresh")
    assert part["steps"] == 2
    done = run(monkeypatch, f"{tiny} --steps 3 --warm 2 --beam 1")
    assert {**done, "minutes": 0} == {**whole, "minutes": 0}


def options_of(monkeypatch, command: str):
    monkeypatch.setattr(sys, "argv", ["multi30k", *command.split()])
    return recipe.arguments()


def test_settings_stand_in_one_place_and_options_change_them(monkeypatch):
    for command, name in (("", "rnn"), ("--model transformer", "transformer")):
        options = options_of(monkeypatch, command)
        assert options.settings == recipe.SETTINGS[name]
        assert options.folder == recipe.FOLDER / name
    base = options_of(monkeypatch, "--base --dropout 0.3")
    changed = asdict(recipe.SETTINGS["base"]) | {"dropout": 0.3}
    assert base.model == "transformer" and asdict(base.settings) == changed


@pytest.mark.parametrize(
    "other",
    [
        "--heads 2", "--smoothing 0.2", "--dropout 0.3", "--batch 12", "--warm 7",
        "--lr 0.1", "--steps 9", "--least 2", "--seed 2", "--attention dot", "--feed",
        "--model transformer", "--base", "--bfloat16",
    ],
)  # fmt: skip
def test_other_settings_are_another_run(monkeypatch, other):
    file = recipe.checkpoint(options_of(monkeypatch, "--folder out"))
    assert file.parent == Path("out") and file.suffix == ".pt"
    same = "--folder out --model rnn --batch 64 --fresh --beam 2"
    assert recipe.checkpoint(options_of(monkeypatch, same)) == file
    changed = options_of(monkeypatch, f"--folder out {other}")
    assert recipe.checkpoint(changed) != file


def test_base_is_no_recurrent_model(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        options_of(monkeypatch, "--base --model rnn")
    assert "not with --model rnn" in capsys.readouterr().err
    for more in ("", "--model transformer"):
        assert options_of(monkeypatch, f"--base {more}").model == "transformer"


def test_base_is_the_papers_size_with_its_rate_and_norms(monkeypatch):
    options = options_of(monkeypatch, "--base")
    chosen = options.settings
    assert (chosen.embed, chosen.heads, chosen.layers, chosen.hidden) == (
        512, 8, 6, 2048,
    )  # fmt: skip
    assert (chosen.dropout, chosen.smoothing, chosen.warm) == (0.1, 0.1, 4000)
    with torch.device("meta"):
        model = recipe.make_model(options, [chosen.pieces] * 2)
    layers = 6 * (4 * 512 * 513) * 3 + 12 * (2 * 512 * 2048 + 2048 + 512)
    norms = 6 * (2 + 3) * 2 * 512
    size = sum(weight.numel() for weight in model.parameters())
    assert size == layers + norms + chosen.pieces * 512
    assert isinstance(model.norm, torch.nn.Identity)


def test_rare_words_are_left_out_and_marks_join_their_word():
    words = recipe.vocabulary([["a", "b"], ["b", "c", "b"], ["c"]], 2)
    assert words.symbols[4:] == ("b", "c")
    assert recipe.sentence(["a", "(", "big", ")", "dog", ",", "ran", "."]) == (
        "a (big) dog, ran."
    )


def test_a_piece_inside_a_word_is_shown_with_a_dot():
    pieces = ["▁dog", "s", ".", "▁", "<eos>"]
    assert [recipe.label(p) for p in pieces] == ["dog", "·s", ".", "▁", "<eos>"]
