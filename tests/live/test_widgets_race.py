"""Bottleneck race in a real browser: two graphs in the page against PyTorch."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from attnkit.data import EOS, GRAMMAR, UNK, PairSet, mixed, parse, vocabularies
from attnkit.live import BottleneckRace
from attnkit.live.pack import pack
from attnkit.rnn import Seq2Seq, greedy_decode
from attnkit.rnn.page import page_entries
from tests.live.widget_bench import Bench, assert_near, in_node

LENGTHS = [2, 4, 8, 12]
NAMES = ("fixed vector", "attention")
FALL = {
    "fixed vector": [[1.0, 0.9, 0.5, 0.2], [1.0, 0.8, 0.4, 0.1]],
    "attention": [[1.0, 1.0, 0.9, 0.8], [1.0, 1.0, 1.0, 0.9]],
}
SOURCES = [
    "七", "2", "三月五日", "一九五〇年十二月", "三千零七", "学习的机器", "x",
    "年月日号的", "99年7月3日", "二〇二六年一月", "机器学习", "〇〇〇〇", "十",
    "1、2、3", "三月", "q7q", "五百", "机", "二十二", "12345678901234",
]  # fmt: skip


def model(attention: str | None, cell: str = "gru") -> Seq2Seq:
    """Random weights, large enough that the output is decided."""
    torch.manual_seed(4)
    sizes = [len(vocabulary) for vocabulary in vocabularies()]
    made = Seq2Seq(*sizes, hidden_dim=16, attention=attention, cell=cell)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made.eval()


def racers(cell: str = "gru") -> dict[str, Seq2Seq]:
    return {name: model(a, cell) for name, a in zip(NAMES, (None, "additive"))}  # noqa: B905


@functools.cache
def packed() -> dict[str, Any]:
    return {name: pack(page_entries(made, 12)) for name, made in racers().items()}


def known() -> PairSet:
    """Two texts of each length; the first of length 8 is written right by attention."""
    parts = [mixed(2, 3, lengths=(n, n)) for n in LENGTHS]
    columns = [
        [one for p in parts for one in getattr(p, name)]
        for name in ("source", "target", "alignment")
    ]
    return PairSet(*columns, vocabularies())


def race(**options: Any) -> BottleneckRace:
    given = {"length": 8, "trained": (2, 8), "max_steps": 10, "precision": "float32"}
    made = options.pop("models", None)
    if made is None:
        made, given["entries"] = racers(), packed()
    examples = options.pop("examples", None) or known()
    lengths = options.pop("lengths", LENGTHS)
    accuracy = options.pop("accuracy", FALL)
    return BottleneckRace(
        made, vocabularies(), lengths, accuracy, examples, **(given | options)
    )


def same_as_python(bench: Bench, widget: BottleneckRace, **state: Any) -> dict:
    widget.state = state
    read, other = bench.read(), widget.forward()
    for i, name in enumerate(NAMES):
        assert read["tokens"][i] == other["tokens"][name].tolist()
        assert_near(read["logits"][i], other["logits"][name])
        assert_near(read["mean"][i], other["mean"][name])
    assert_near(read["weights"], other["weights"]["attention"])
    assert read["errors"] == list(other["errors"].values())
    assert read["first_below"] == other["first_below"]
    return read


def type_in(bench: Bench, text: str) -> None:
    bench.page.get_by_role("textbox").first.fill(text)


def test_page_and_torch_agree_on_every_array(bench: Bench) -> None:
    widget = race()
    assert widget.data["models"], widget.data["reason"]
    bench.show(widget)
    same_as_python(bench, widget)
    for text in SOURCES:
        type_in(bench, text)
        read = same_as_python(bench, widget, text=text)
        ids = vocabularies()[0].encode(text[:12], warn=False)
        assert read["source"] == ids
        for i, name in enumerate(NAMES):
            tokens = greedy_decode(
                widget.models[name], torch.tensor([ids]), max_steps=10
            ).tokens
            assert read["tokens"][i] == tokens[0].tolist()


def test_lstms_race_as_well(bench: Bench) -> None:
    widget = race(models=racers("lstm"))
    bench.show(widget)
    for text in SOURCES[:4]:
        type_in(bench, text)
        same_as_python(bench, widget, text=text)


def test_bands_and_the_crossing_are_those_of_python() -> None:
    runs = torch.rand(5, 9, generator=torch.Generator().manual_seed(2))
    (found,) = in_node("widgets/bottleneck_race.js", "bands", [[runs.tolist()]])
    assert_near(found["mean"], runs.mean(0))
    assert_near(found["low"], runs.min(0).values)
    assert_near(found["high"], runs.max(0).values)
    calls = [[LENGTHS, [1, 0.6, 0.5, 0.49]], [LENGTHS, [1, 0.4, 0.9, 0.1]]]
    calls.append([LENGTHS, [1, 1, 1, 1]])
    found = in_node("widgets/bottleneck_race.js", "firstBelow", calls)
    assert found == [12, 4, None]


def test_errors_are_marked_and_an_error_shows_where_it_comes_from(bench: Bench) -> None:
    page = bench.show(race())
    read = bench.read()
    marked = page.locator(".at-out .at-view").nth(1).locator("[data-note~=wrong]")
    target = known().target[4]
    written = [*read["tokens"][0], *[-1] * 20]
    answer = [*vocabularies()[1].encode(target), EOS]
    wrong = [t for t, (a, b) in enumerate(zip(written, answer, strict=False)) if a != b]
    extra = max(0, len(read["tokens"][0]) - len(answer))
    assert read["errors"][0] == len(wrong) > 0
    assert marked.count() == len(wrong) + extra
    assert read["step"] == wrong[0]  # at first the first error is selected
    for t in wrong[:3]:
        page.locator(".at-out .at-view").nth(1).get_by_role("option").nth(t).click()
        read = bench.read()
        truth = known().alignment[4][t] if t < len(target) else ()
        assert read["step"] == t and read["origin"] == list(truth)
        assert page.locator("[data-note~=origin]").count() == len(truth)


def test_the_slider_picks_a_text_of_that_length_by_keyboard(bench: Bench) -> None:
    widget = race()
    page = bench.show(widget)
    page.get_by_role("slider", name="Length of the source").focus()
    for key, length in (("ArrowRight", 12), ("ArrowLeft", 8), ("Home", 2)):
        bench.press(key)
        read = bench.read()
        assert read["length"] == length == len(read["source"])
    same_as_python(bench, widget, text=known().source[0], length=2)


def test_another_text_of_this_length_by_mouse(bench: Bench) -> None:
    page = bench.show(race())
    seen = [page.get_by_role("textbox").first.input_value()]
    for _ in range(2):
        page.get_by_role("button", name="Another of this length").click()
        seen.append(page.get_by_role("textbox").first.input_value())
    assert seen == [known().source[4], known().source[5], known().source[4]]
    count = page.get_by_role("button", name="Another of this length")
    assert count.inner_text() == "Another of this length (1 of 2)"


def test_a_length_with_one_text_has_no_other(bench: Bench) -> None:
    """Of two characters there may be few texts; the same one twice is one."""
    twice = known()[[0, 0, *range(2, 8)]]
    widget = race(examples=twice)
    assert [x["source"] for x in widget.data["examples"]].count(twice.source[0]) == 1
    page = bench.show(widget)
    page.get_by_role("slider", name="Length of the source").focus()
    bench.press("Home")
    assert page.get_by_role("button", name="Another of this length").is_disabled()


def test_an_own_text_of_the_language_has_its_answer(bench: Bench) -> None:
    widget = race(grammar=GRAMMAR)
    page = bench.show(widget)
    slider = page.locator(".at-slider")
    for text, stop in (("三月五日", 4), ("１９５０年12月", 8), ("七", 2)):
        type_in(bench, text)
        read = same_as_python(bench, widget, text=text)
        assert len(read["errors"]) == 2
        assert read["length"] == stop, "the nearest length that was measured"
        assert slider.locator(".at-num").inner_text() == str(len(text))
        assert read["origin"] == list(parse(widget_text(text)).alignment[read["step"]])
    type_in(bench, "七日")
    assert same_as_python(bench, widget, text="七日")["errors"] == []
    assert "it is for dates" in page.locator(".at-notice").inner_text()


def widget_text(text: str) -> str:
    return text.translate({0xFF10 + digit: str(digit) for digit in range(10)})


@pytest.mark.parametrize(
    ("guess", "near"), [("8", True), ("10", True), ("11", False), ("", False)]
)
def test_the_prediction_is_checked_within_two(bench: Bench, guess, near) -> None:
    page = bench.show(race())
    assert not page.locator(".at-curve").is_visible()
    page.get_by_label("Predict: at which length").fill(guess)
    bench.press("Enter")
    assert page.locator(".at-gate").get_attribute("data-done") == str(near).lower()
    assert "The answer is 8 characters" in page.locator(".at-gate").inner_text()
    assert page.locator(".at-curve").is_visible()


def test_the_cursor_of_the_curve_picks_a_text(bench: Bench) -> None:
    page = bench.show(race())
    page.get_by_role("button", name="Reveal").click()
    curve = page.get_by_role("slider", name="cursor")
    curve.focus()
    bench.press("ArrowRight")
    assert bench.read()["length"] == 12 == len(bench.read()["source"])
    box = curve.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.1, box["y"] + box["height"] / 2)
    read = bench.read()
    assert read["length"] == 2 == len(read["source"])
    words = curve.get_attribute("aria-valuetext")
    assert "fixed vector 1.00, attention 1.00" in words


def test_an_own_text_has_no_truth_and_says_so(bench: Bench) -> None:
    page = bench.show(race())
    type_in(bench, "三q月")
    read = bench.read()
    assert read["errors"] == [] and read["origin"] == []
    assert read["source"][1] == UNK
    notice = page.locator(".at-notice").inner_text()
    assert "not known here" in notice and "read as unknown: q" in notice
    assert page.locator("[data-note~=wrong]").count() == 0
    one, two = read["tokens"]
    size = max(len(one), len(two))
    pad = [[*x, *[None] * (size - len(x))] for x in (one, two)]
    differ = sum(a != b for a, b in zip(*pad, strict=True))
    assert page.locator("[data-note~=differs]").count() == 2 * differ
    type_in(bench, "")
    assert "Type something" in page.locator(".at-notice").inner_text()


def test_symbols_can_be_tapped(bench: Bench) -> None:
    page = bench.show(race())
    type_in(bench, "7")
    page.get_by_text("Tap symbols").click()
    page.get_by_role("button", name="月", exact=True).click()
    assert page.get_by_role("textbox").first.input_value() == "7月"
    assert len(bench.read()["source"]) == 2


def test_goals_are_reached_by_playing(bench: Bench) -> None:
    page = bench.show(race())
    read = bench.read()
    assert read["goals"][1] == (read["errors"][1] > 0)
    slider = page.get_by_role("slider", name="Length of the source")
    slider.focus()
    for key in ("Home", "End", "Home", "ArrowRight", "ArrowRight"):
        bench.press(key)
    read = bench.read()
    assert not read["goals"][2], "an error that a new text brings is not the reader's"
    last = len(read["source"]) - 3
    lane = page.locator(".at-out .at-view").nth(1)
    for t, places in enumerate(known().alignment[4]):
        lane.get_by_role("option").nth(t).click()
        wrong = "wrong" in (
            lane.get_by_role("option").nth(t).get_attribute("data-note") or ""
        )
        if wrong and places and min(places) >= last:
            break
    else:
        pytest.skip("this text has no such error")
    assert bench.read()["goals"][2]


def test_where_packing_fails_the_widget_says_so(bench: Bench) -> None:
    class Unknown(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.erfinv(x)

    strange = Unknown(), (torch.ones(2),)
    entries = {name: {"encode": strange, "step": strange} for name in NAMES}
    widget = race(entries=entries)
    assert widget.data["models"] is None and widget.data["reason"]
    page = bench.show(widget)
    assert "cannot run this model" in page.locator(".at-notice").inner_text()
    one, two = widget.rpc_race(list(known().source[4]))
    tokens = widget.forward()["tokens"]
    assert one["tokens"].tolist() == tokens["fixed vector"].tolist()
    assert two["tokens"].tolist() == tokens["attention"].tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": [2, 4, 4, 8]}, "lengths: expected at least two rising"),
        ({"lengths": [2]}, "lengths: expected at least two rising"),
        ({"length": 6}, "length: expected one of"),
        ({"accuracy": {"attention": [[1.0] * 4]}}, "accuracy: expected runs of"),
        ({"accuracy": FALL | {"attention": [[1.0] * 3]}}, "accuracy: expected 4"),
        ({"accuracy": FALL | {"attention": [[2.0] * 4]}}, "from 0 to 1"),
        ({"examples": mixed(3, 1, lengths=(2, 2))}, "examples: expected a source of"),
        ({"precision": "int8"}, "precision: expected"),
        ({"max_steps": 0}, "max_steps: expected"),
        ({"max_source": 0}, "max_source: expected"),
        ({"tolerance": -1}, "tolerance: expected"),
        ({"models": {"one": None}}, "models: expected two"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        race(**change)


@pytest.mark.parametrize("state", [{"length": 5}, {"step": -2}, {"turn": -1}])
def test_a_state_that_cannot_be_is_refused(state: dict[str, int]) -> None:
    widget = race()
    with pytest.raises(ValueError, match=next(iter(state))):
        widget.state = state


def test_the_alternative_text_tells_outputs_and_errors() -> None:
    widget = race()
    errors = widget.forward()["errors"]
    assert f"{errors['fixed vector']} of its symbols are wrong" in widget.alt
    assert widget.picture()[:4] == b"\x89PNG"
