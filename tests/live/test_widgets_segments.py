"""Segment memory: what is seen equals what a model depends on; goals by keyboard."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from attnkit.live.segments import GOAL, LENGTH, LIMITS, SegmentMemory
from attnkit.transformer import SegmentLanguageModel
from tests.live.widget_bench import Bench, assert_near, in_node

SETTINGS = [
    {"segment": s, "memory": m, "layers": n, "target": t}
    for s, m, n, t in ((4, 8, 3, 36), (4, 0, 3, 36), (3, 5, 2, 38), (8, 12, 1, 20))
]


def last_logits(model: SegmentLanguageModel, ids: Tensor, segment: int) -> Tensor:
    memory, found = None, []
    for part in ids.split(segment, 1):
        logits, memory = model(part, memory)
        found.append(logits)
    return torch.cat(found, 1)[0]


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_seen_is_what_a_model_depends_on(setting: dict[str, int]) -> None:
    made = SegmentMemory(**setting)
    torch.manual_seed(1)
    model = SegmentLanguageModel(
        5, memory_len=setting["memory"], num_layers=setting["layers"], embed_dim=16
    )
    with torch.no_grad():
        for weight in model.double().parameters():
            weight.copy_(torch.randn_like(weight) * 0.5)
    ids = torch.randint(5, (1, LENGTH))
    before = last_logits(model, ids, setting["segment"])[setting["target"]]
    depends = []
    for place in range(LENGTH):
        other = ids.clone()
        other[0, place] = (other[0, place] + 1) % 5
        after = last_logits(model, other, setting["segment"])[setting["target"]]
        depends.append((after - before).abs().max().item() > 1e-10)
    assert made.forward()["seen"][0].gt(0).tolist() == depends


def test_page_and_python_see_the_same() -> None:
    ranges = (range(low, high + 1, 3) for low, high in LIMITS.values())
    states = [
        dict(zip((*LIMITS, "target"), numbers, strict=True))
        for numbers in itertools.product(*ranges, (0, 17, 39))
    ]
    found = in_node("widgets/segment_memory.js", "seen", [[s, LENGTH] for s in states])
    made = SegmentMemory()
    for state, page in zip(states, found, strict=True):
        made.state = state
        assert_near(page, made.forward()["seen"], 1e-6)


def test_the_drawn_reach_is_what_the_first_symbol_of_a_late_segment_sees() -> None:
    every = itertools.product((2, 3, 5, 8), (0, 1, 3, 8, 12), (1, 2, 3))
    states = [dict(zip(LIMITS, numbers, strict=True)) for numbers in every]
    drawn = in_node("widgets/segment_memory.js", "reachOf", [[s] for s in states])
    late = [40 * state["segment"] for state in states]  # enough text before it
    calls = [[{**s, "target": t}, t + 1] for s, t in zip(states, late, strict=True)]
    found = in_node("widgets/segment_memory.js", "seen", calls)
    for start, back, rows in zip(late, drawn, found, strict=True):
        assert back == start - next(i for i, x in enumerate(rows[0]) if x > 0)


def test_the_least_cost_is_the_least() -> None:
    limits = {name: [*pair] for name, pair in LIMITS.items()}
    call = [limits, LENGTH - 1, GOAL, LENGTH]
    (least,) = in_node("widgets/segment_memory.js", "cheapest", [call])
    costs, made = [], SegmentMemory()
    every = (range(low, high + 1) for low, high in LIMITS.values())
    for segment, memory, layers in itertools.product(*every):
        made.state = {"segment": segment, "memory": memory, "layers": layers,
                      "target": LENGTH - 1}  # fmt: skip
        if made.forward()["seen"][0, GOAL] > 0:
            costs.append(layers * (memory + (segment + 1) / 2))
    assert least == min(costs)


def test_first_state_reaches_layers_times_memory(bench: Bench) -> None:
    made = SegmentMemory()
    page = bench.show(made)
    read = bench.read()
    assert_near(read["seen"], made.forward()["seen"], 1e-6)
    assert read["first"] == 36 - 24
    assert "3 layers × memory 8 = 24." in page.locator(".at-w10").text_content()
    assert page.get_by_text("sees back to symbol 13: 24 symbols").count() == 1


def test_without_memory_it_sees_itself_alone(bench: Bench) -> None:
    page = bench.show(SegmentMemory())
    page.get_by_label("Memory", exact=True).focus()
    bench.press("Home")
    read = bench.read()
    assert read["back"] == 0 and read["goals"][0]
    assert "however many layers" in page.locator(".at-w10").text_content()


def test_the_cheapest_setting_is_found_by_keyboard(bench: Bench) -> None:
    page = bench.show(SegmentMemory())
    page.get_by_role("slider", name="Output at symbol").focus()
    bench.press("End")
    limits = {name: [*pair] for name, pair in LIMITS.items()}
    call = [limits, LENGTH - 1, GOAL, LENGTH]
    (least,) = in_node("widgets/segment_memory.js", "cheapest", [call])
    made, found = SegmentMemory(), None
    every = (range(low, high + 1) for low, high in LIMITS.values())
    for segment, memory, layers in itertools.product(*every):
        made.state = {"segment": segment, "memory": memory, "layers": layers,
                      "target": LENGTH - 1}  # fmt: skip
        sees = made.forward()["seen"][0, GOAL] > 0
        if sees and layers * (memory + (segment + 1) / 2) == least:
            found = {"Segment": segment, "Memory": memory, "Layers": layers}
    for label, value in found.items():
        page.get_by_label(label, exact=True).focus()
        low = LIMITS[label.lower()][0]
        bench.press("Home", *["ArrowRight"] * (value - low))
    read = bench.read()
    assert read["pairs"] == least and read["goals"][1]


def test_a_click_in_the_picture_chooses_the_output(bench: Bench) -> None:
    page = bench.show(SegmentMemory())
    page.locator("[data-cell='20']").first.click()
    read = bench.read()
    assert len(read["seen"]) == 4
    assert read["seen"][-1].index(1) == 20


def test_without_a_memory_none_is_spoken_of(bench: Bench) -> None:
    page = bench.show(SegmentMemory(memory=0))
    cost = page.locator("section[aria-label='In numbers'] .at-small").text_content()
    assert cost.endswith("on average over a segment: 7.5.")
    ticks = page.locator(".at-ticks text").all_text_contents()
    assert "60" in ticks and "60.0" not in ticks


def test_the_prediction_is_checked(bench: Bench) -> None:
    page = bench.show(SegmentMemory())
    page.get_by_text("Predict: how far back?").click()
    seen = SegmentMemory(4, 6, 2, target=36).forward()["first"]
    page.get_by_label("How many symbols before its segment").fill(str(36 - seen))
    page.get_by_role("button", name="Reveal").click()
    assert "Right" in page.locator(".at-gate .at-say").text_content()
    assert seen < 36 - 2 * 6, "the memory is no multiple of the segment"


def test_tables_and_picture(bench: Bench) -> None:
    made = SegmentMemory()
    page = bench.show(made)
    page.get_by_role("button", name="Table").click()
    rows = bench.table("What the output depends on")
    assert [row[0] for row in rows] == ["output", "layer 2", "layer 1", "symbols"]
    assert made.picture()[:4] == b"\x89PNG"
    assert "depends on symbols 13 to 37" in made.alt


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment": 1}, "segment: expected 2 to 8, got 1"),
        ({"memory": 13}, "memory: expected 0 to 12, got 13"),
        ({"layers": 0}, "layers: expected 1 to 4, got 0"),
        ({"target": 40}, "target: expected 0 to 39, got 40"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentMemory(**options)
