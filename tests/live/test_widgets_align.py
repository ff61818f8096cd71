"""Type to align in a real browser: the graph in the page against PyTorch."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import torch

from attnkit.data import EOS, UNK, vocabularies
from attnkit.data.pairs import PairSet
from attnkit.live import TypeToAlign
from attnkit.live.pack import pack
from attnkit.rnn import Seq2Seq, beam_decode, greedy_decode
from attnkit.rnn.page import page_entries
from tests.live.widget_bench import Bench, assert_near

TEXT = "二〇一九年三月五日"
WORDS = ("march", "5", ",", "2", "0", "1", "9")
TRUTH = [[(5, 6), (7, 8), (), (0,), (1,), (2,), (3,)]]
SOURCES = [
    TEXT, "7", "2", "一九五〇年十二月", "三千零七", "学习的机器", "x", "年月日号的、",
    "1999年7月3日", "二〇二六年一月二十一日", "机器学习", "〇〇〇〇", "十", "1、2、3",
    "三月", "q7q", "五百", "机", "二十二", "1234567890123456789012345",
]  # fmt: skip


def model(attention: str = "additive", cell: str = "gru") -> Seq2Seq:
    """Random weights, large enough that attention and output are decided."""
    torch.manual_seed(4)
    sizes = [len(vocabulary) for vocabulary in vocabularies()]
    made = Seq2Seq(*sizes, hidden_dim=24, attention=attention, cell=cell)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made.eval()


@functools.cache
def packed() -> dict[str, Any]:
    return pack(page_entries(model(), 24))


class Unknown(torch.nn.Module):
    """Something that the page cannot compute."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.erfinv(x)


def aligner(**options: Any) -> TypeToAlign:
    plain = not {"model", "entries", "precision", "max_source"} & set(options)
    if plain:
        options["entries"] = packed()
    made = options.pop("model", None) or model()
    options.setdefault("max_steps", 10)
    examples = PairSet([TEXT], [WORDS], TRUTH, vocabularies())
    return TypeToAlign(made, vocabularies(), TEXT, examples=examples, **options)


def same_as_python(bench: Bench, widget: TypeToAlign, **state: Any) -> dict:
    widget.state = {**widget.state, **state}
    read, other = bench.read(), widget.forward()
    assert read["tokens"] == other["tokens"].tolist()
    for name in ("weights", "logits"):
        assert_near(read[name], other[name])
    return read


def type_in(bench: Bench, text: str) -> None:
    bench.page.get_by_role("textbox").fill(text)


def test_page_and_torch_agree_on_every_array(bench: Bench) -> None:
    widget = aligner()
    assert widget.data["model"], widget.data["reason"]
    bench.show(widget)
    for text in SOURCES:
        type_in(bench, text)
        read = same_as_python(bench, widget, text=text, forced={})
        ids = vocabularies()[0].encode(text[:24], warn=False)
        decoded = greedy_decode(widget.model, torch.tensor([ids]), max_steps=10)
        assert read["source"] == ids
        assert read["tokens"] == decoded.tokens[0].tolist()
        assert_near(read["weights"], decoded.weights[0])
        assert_near(read["row_sums"], torch.ones(len(read["tokens"])), 1e-4)


@pytest.mark.parametrize(
    ("attention", "cell"),
    [("bahdanau", "gru"), ("general", "lstm"), ("local-p", "gru")],
)
def test_other_models_run_in_the_page(bench: Bench, attention: str, cell: str) -> None:
    widget = aligner(model=model(attention, cell))
    assert widget.data["model"], widget.data["reason"]
    bench.show(widget)
    for text in SOURCES[:4]:
        type_in(bench, text)
        same_as_python(bench, widget, text=text)


def test_beam_search_is_that_of_python(bench: Bench) -> None:
    widget = aligner(length_penalty=0.6)
    bench.show(widget)
    bench.page.get_by_role("radio", name="Beam of 4").check()
    for text in SOURCES[:6]:
        type_in(bench, text)
        read = same_as_python(bench, widget, text=text, search="beam")
        ids = torch.tensor([vocabularies()[0].encode(text, warn=False)])
        beam = beam_decode(widget.model, ids, max_steps=10, length_penalty=0.6)
        assert read["tokens"] == beam.tokens[0].tolist()


def test_float16_weights_agree_with_the_rounded_copy(bench: Bench) -> None:
    widget = aligner(precision="float16")
    bench.show(widget)
    same_as_python(bench, widget)
    full = aligner()
    sizes = [len(json.dumps(w.data["model"]["blob"])) for w in (widget, full)]
    assert sizes[0] < 0.55 * sizes[1]


def forced_row(bench: Bench, widget: TypeToAlign, step: int) -> list[float]:
    read = bench.read()
    row = read["weights"][step]
    assert sum(row) == pytest.approx(1, abs=1e-4)
    forced = {str(step): row}
    same_as_python(bench, widget, forced=forced)
    return row


def test_keyboard_moves_the_attention_of_a_step(bench: Bench) -> None:
    widget = aligner()
    bench.show(widget)
    before = bench.read()["weights"][2]
    bench.page.get_by_role("gridcell").focus()
    bench.press("ArrowDown", "ArrowDown", "Shift+ArrowRight")
    assert bench.read()["forced"] == [2]
    row = forced_row(bench, widget, 2)
    assert_near(row[1:-1], before[:-2], 2e-4)
    bench.press("Home", " ")
    row = forced_row(bench, widget, 2)
    assert row == [1.0] + [0.0] * 8


def test_mouse_drags_the_ring_and_the_output_follows(bench: Bench) -> None:
    widget = aligner()
    bench.show(widget)
    free = bench.read()["tokens"]
    bench.page.get_by_role("option", name=bench.read()["output"][1]).first.click()
    grip = bench.page.locator(".at-knob")
    cell = bench.page.locator("[data-cell]").first.bounding_box()["width"]
    at = int(grip.get_attribute("aria-valuenow"))
    for sign in (1, -1):
        bench.drag(grip, sign * (cell + 1) * (4 if at < 5 else -4), 0)
    step = bench.read()["step"]
    assert bench.read()["forced"] == [step]
    bench.drag(grip, (cell + 1) * (3 if at < 5 else -3), 0)
    forced_row(bench, widget, step)
    assert bench.read()["free"] == free
    bench.page.get_by_role("button", name="Release all").click()
    assert bench.read()["tokens"] == free


def test_an_override_that_changes_the_output_shows_the_difference(bench: Bench) -> None:
    widget = aligner()
    bench.show(widget)
    free = bench.read()["output"]
    bench.page.get_by_role("gridcell").focus()
    for _ in range(9):
        bench.press(" ", "ArrowRight")
        if bench.read()["output"] != free:
            break
    read = bench.read()
    assert read["output"] != free and read["goals"][0]
    assert "Your override wrote" in bench.page.locator(".at-diff").inner_text()
    notes = bench.page.locator(".at-board-strips [data-note~=changed]").count()
    gone = bench.page.locator(".at-diff [data-note~=changed]").count()
    assert notes + gone >= 1


def test_unknown_characters_are_marked_and_the_rest_is_read(bench: Bench) -> None:
    widget = aligner()
    page = bench.show(widget)
    type_in(bench, "三q月")
    read = same_as_python(bench, widget, text="三q月")
    assert read["source"][1] == UNK and UNK not in (
        read["source"][0],
        read["source"][2],
    )
    chip = page.locator("[data-note=unknown]")
    assert chip.all_text_contents() == ["q"]
    assert "read as unknown: q" in page.locator(".at-notice").inner_text()


def test_a_long_text_is_cut_at_the_stated_limit(bench: Bench) -> None:
    widget = aligner(max_source=12)
    page = bench.show(widget)
    assert "up to 12 characters" in page.get_by_role("textbox").get_attribute(
        "aria-label"
    )
    type_in(bench, "1" * 15)
    same_as_python(bench, widget, text="1" * 15)
    assert "first 12 characters" in page.locator(".at-notice").inner_text()
    type_in(bench, "")
    assert "Type something" in page.locator(".at-notice").inner_text()
    type_in(bench, "7")
    same_as_python(bench, widget, text="7")


def test_symbols_can_be_tapped(bench: Bench) -> None:
    page = bench.show(aligner())
    type_in(bench, "7")
    page.get_by_text("Tap symbols").click()
    page.get_by_role("button", name="月", exact=True).click()
    assert page.get_by_role("textbox").input_value() == "7月"
    assert len(bench.read()["source"]) == 2


def test_known_truth_is_ringed_and_counted(bench: Bench) -> None:
    page = bench.show(aligner())
    assert page.locator(".at-truth").count() >= 4
    read = bench.read()
    peaks = [row.index(max(row)) for row in read["weights"]]
    known = [(t, places) for t, places in enumerate(TRUTH[0]) if places]
    hits = sum(peaks[t] in places for t, places in known)
    assert read["pointing"] == pytest.approx(hits / len(known))


def test_scrubbing_by_keyboard_follows_the_peak(bench: Bench) -> None:
    page = bench.show(aligner())
    page.get_by_role("slider", name="Output step").focus()
    bench.press("ArrowRight", "ArrowRight")
    read = bench.read()
    assert read["step"] == 2
    peak = read["weights"][2].index(max(read["weights"][2]))
    cell = page.get_by_role("gridcell")
    assert cell.get_attribute("aria-colindex") == str(peak + 1)
    bars = page.locator(".at-num").all_text_contents()
    odds = torch.softmax(torch.tensor(read["logits"][2]), 0).max().item()
    assert f"{odds:.2f}" in bars


def test_where_packing_fails_the_widget_says_so(bench: Bench) -> None:
    strange = Unknown(), (torch.ones(2),)
    widget = aligner(entries={"encode": strange, "step": strange})
    assert widget.data["model"] is None and widget.data["reason"]
    page = bench.show(widget)
    assert "cannot run this model" in page.locator(".at-notice").inner_text()
    answer = widget.rpc_translate(list(TEXT), "greedy", {"0": [1.0] + [0.0] * 8})
    assert answer["used"]["weights"][0].tolist() == [1.0] + [0.0] * 8
    assert answer["free"]["tokens"].tolist() == widget.forward()["tokens"].tolist()


def test_the_end_is_shown_and_ends(bench: Bench) -> None:
    made = model()
    with torch.no_grad():
        made.decoder.output.bias[EOS] += 4
    widget = aligner(model=made)
    bench.show(widget)
    read = same_as_python(bench, widget)
    assert read["output"][-1] == "⟨eos⟩" or len(read["tokens"]) == 10
