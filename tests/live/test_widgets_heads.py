"""The self-attention explorer in a real browser: its graph against PyTorch."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from attnkit.data.repeats import encode, folded
from attnkit.live.selfattention import SelfAttention, preset, sure
from attnkit.live.selfattention import shares as python_shares
from attnkit.transformer import LanguageModel, Transformer
from attnkit.transformer.heads import ablated, head_scores
from attnkit.transformer.heads_page import OpenHeads, page_entries
from attnkit.transformer.heads_recipe import train_copier
from tests.live.widget_bench import Bench, assert_near, in_node

MODULE = "widgets/self_attention.js"
TEXT = "foxdenmilkfoxmilkden"
LONG = "abcdefghijklmnopqrstuvwxyzabcdefgh"


@functools.cache
def model(position: str = "rotary") -> LanguageModel:
    """Random weights, large enough that weights and letters are decided."""
    torch.manual_seed(3)
    made = LanguageModel(
        26, embed_dim=16, num_heads=2, ff_dim=16, position=position
    ).eval()
    with torch.no_grad():
        for layer in made.layers:
            for parameter in layer.attention.parameters():
                parameter.mul_(3)
    return made


def explorer(**options: Any) -> SelfAttention:
    return SelfAttention(model(), TEXT, **options)


def same_as_python(bench: Bench, widget: SelfAttention, i: int = 0) -> dict:
    read = bench.read(i)
    for name in ("layer", "head", "query", "key", "silent", "preset"):
        widget.state = {name: read[name]}
    out = widget.forward()
    at = read["layer"], read["head"]
    assert read["ids"] == out["ids"] and read["source"] == out["source"]
    assert read["mask"] == out["mask"].long().tolist()
    for name in ("logits", "weights"):
        assert_near(read[name], out[name], 1e-4 * max(1, float(out[name].abs().max())))
    assert_near(read["scores"], out["scores"][at], 2e-4)
    assert_near(read["query_vector"], out["query"][at][read["query"]])
    assert_near(read["key_vector"], out["key"][at][read["key"]])
    assert_near(read["value_vector"], out["value"][at][read["key"]])
    for mine, theirs in zip(read["sure"], out["sure"], strict=True):
        assert mine == (theirs if theirs is None else pytest.approx(theirs, abs=1e-4))
    found = torch.tensor([[[-1 if s is None else s for s in h] for h in x]
                          for x in read["shares"]])  # fmt: skip
    assert_near(found, out["shares"].nan_to_num(-1))
    return read


# ---- without a browser --------------------------------------------------------------


@pytest.mark.parametrize(
    "position", ["rotary", "sinusoidal", "alibi", "transformer_xl"]
)
def test_open_heads_are_the_model(position: str) -> None:
    twin, ids = model(position), encode(LONG)[:, :20]
    reader, inputs = page_entries(twin, 20)["run"]
    gates = inputs["gates"].clone()
    logits, maps = twin(ids, need_weights=True)
    out = reader(ids, inputs["mask"], gates)
    torch.testing.assert_close(out[0], logits[0])
    torch.testing.assert_close(out[2], torch.cat(maps))
    gates[1, 0] = gates[0, 1] = 0
    with ablated(twin, [(1, 0), (0, 1)]):
        torch.testing.assert_close(reader(ids, inputs["mask"], gates)[0], twin(ids)[0])


def test_open_heads_refuse_what_they_cannot_lay_open() -> None:
    with pytest.raises(ValueError, match="enter the scores only"):
        OpenHeads(model("shaw"))
    grouped = LanguageModel(26, embed_dim=16, num_heads=2, num_kv_heads=1)
    with pytest.raises(ValueError, match="a key for each head"):
        OpenHeads(grouped)
    translator = Transformer(9, 9, embed_dim=16, num_heads=2, num_layers=1).eval()
    with pytest.raises(ValueError, match="a language model, got a Transformer"):
        page_entries(translator, 8)
    with pytest.raises(ValueError, match=r"evaluation mode; call model.eval\(\)"):
        page_entries(LanguageModel(26, embed_dim=16, num_heads=2), 8)


def test_shares_are_those_of_head_scores_and_of_the_page() -> None:
    ids = encode(TEXT)
    with torch.no_grad():
        _, maps = model()(ids, need_weights=True)
    scores = head_scores(maps, ids)
    mine = python_shares(torch.cat(maps), ids[0].tolist())
    for i, kind in enumerate(("previous", "induction", "same")):
        torch.testing.assert_close(mine[..., i], getattr(scores, kind))
    calls = [[head.tolist(), ids[0].tolist()] for head in torch.cat(maps).flatten(0, 1)]
    assert_near(in_node(MODULE, "shares", calls), mine.flatten(0, 1))


def test_masks_and_letters_are_those_of_python() -> None:
    calls = [[name, n, 3] for name in ("causal", "full", "local", "padding")
             for n in (1, 2, 7, 12)]  # fmt: skip
    for call, found in zip(calls, in_node(MODULE, "preset", calls), strict=True):
        assert found == preset(*call).long().tolist()
    data = {"symbols": [*"abcdefghijklmnopqrstuvwxyz"], "size": 32}
    for line in ("Ça va, Ünal 3?", "注意 ok", LONG, "ﬁne K", "…"):
        (found,) = in_node(MODULE, "read", [[line, data]])
        assert found["letters"] == folded(line, data["symbols"])[:32]
    (cells,) = in_node(MODULE, "maskOf", [["causal", [1, 32, 99], 3, 3, 32]])
    assert cells == [[1, 1, 0], [0, 1, 0], [1, 1, 1]]


def test_sure_splits_told_from_new() -> None:
    odds = torch.eye(26)[[1, 0, 1, 5]]
    assert sure(odds, [0, 1, 0, 1]) == [1.0, 1.0]
    assert sure(odds[:1], [0]) == [None, None]


@pytest.mark.parametrize(
    "options,words",
    [
        ({"text": "123"}, "text: expected a symbol"),
        ({"text": None}, "text"),
        ({"max_tokens": 64}, "max_tokens"),
        ({"precision": "int8"}, "precision"),
        ({"layer": 2}, "layer"),
        ({"head": -1}, "head"),
        ({"query": 20}, "query"),
    ],
)
def test_bad_arguments_are_named(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SelfAttention(**{"model": model(), "text": TEXT, **options})
    with pytest.raises(ValueError, match="model"):
        SelfAttention(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    "symbols,words",
    [
        ("abc", "expected 26 words, got 3"),
        (LONG[:25], "expected 26 words, got 25"),
        (f"{LONG[:26]}ñ", "expected 26 words, got 27"),
        (f"{LONG[:25]}y", r"different single characters.* got \['y'\]"),
        (f"{LONG[:25]}Z", r"none a capital.* got \['Z'\]"),
        (f"{LONG[:25]}é", r"an accent, got \['é'\]"),
        ([*LONG[:25], "yz"], r"single characters.* got \['yz'\]"),
        ([*LONG[:25], ""], "non-empty"),
    ],
)
def test_symbols_that_do_not_fit_the_model_are_named(symbols: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"symbols: .*{words}"):
        SelfAttention(model(), "abcab", symbols=symbols)


def test_other_symbols_and_numbers_of_numpy_are_taken() -> None:
    symbols = "".join(chr(ord("а") + i) for i in range(32) if i != 9)[:26]
    number = torch.tensor([1, 0]).numpy()
    made = {"layer": number[0], "head": number[1], "query": number[0]}
    widget = SelfAttention(model(), "абвабв", symbols=symbols, **made)
    assert widget.letters() == [*"абвабв"]
    first = json.loads(json.dumps(widget.initial))
    assert [first[name] for name in made] == [1, 0, 1]


@pytest.mark.parametrize(
    "state", [{"preset": "none"}, {"silent": [4]}, {"cells": [-1]}, {"head": 2}]
)
def test_bad_states_are_refused_and_the_old_one_stays(state: dict) -> None:
    widget = explorer()
    before = widget.state
    with pytest.raises(ValueError, match=next(iter(state))):
        widget.state = state
    assert widget.state == before


# ---- in the browser -----------------------------------------------------------------


@pytest.mark.parametrize("text", ["q", TEXT, LONG])
def test_page_and_torch_agree_at_every_length(bench: Bench, text: str) -> None:
    widget = explorer()
    bench.show(widget)
    bench.page.get_by_role("textbox").fill(text)
    widget.state = {"text": text}
    read = same_as_python(bench, widget)
    assert len(read["ids"]) == min(len(text), 32)
    for name in ("Full", "Local", "Padding", "Causal"):
        bench.page.get_by_role("radio", name=name).check()
        same_as_python(bench, widget)
    bench.page.get_by_role("button", name="Silence this head").click()
    assert len(same_as_python(bench, widget)["silent"]) == 1


def test_keyboard_walks_heads_silences_and_masks(bench: Bench) -> None:
    widget = explorer(layer=0, head=0, query=11)
    bench.show(widget)
    bench.page.get_by_role("option", name="head 1 of layer 1").focus()
    bench.press("ArrowRight", "ArrowDown", "x")
    read = same_as_python(bench, widget)
    assert (read["layer"], read["head"], read["silent"]) == (1, 1, [3])
    bench.press("h", "x", "l")
    read = same_as_python(bench, widget)
    assert (read["layer"], read["head"], read["silent"]) == (0, 0, [2, 3])
    bench.page.get_by_role("gridcell").focus()
    bench.press("Home", "ArrowRight", "m")
    read = bench.read()
    assert read["mask"][11][1] == 0 and read["key"] == 1
    widget.state = {"cells": [11 * 32 + 1]}
    read = same_as_python(bench, widget)
    assert all(head[11][1] == 0 for layer in read["weights"] for head in layer)
    bench.press("Control+z")
    assert bench.read()["mask"][11][1] == 1


def test_mouse_chooses_head_and_cell_and_masks_it(bench: Bench) -> None:
    widget = explorer(layer=0, head=0)
    bench.show(widget)
    bench.page.get_by_role("option", name="head 2 of layer 2").click()
    bench.page.locator('[data-cell="42"]').click()  # row 2, column 2 of 20
    read = bench.read()
    assert (read["layer"], read["head"], read["query"], read["key"]) == (1, 1, 2, 2)
    bench.page.get_by_role("button", name="Mask this cell").click()
    widget.state = {"cells": [2 * 32 + 2]}
    assert same_as_python(bench, widget)["mask"][2] == [1, 1, 0, *[0] * 17]
    bench.page.get_by_role("button", name="Undo my cells").click()
    assert bench.read()["mask"][2][2] == 1


def test_a_row_that_sees_nothing_gives_zeros(bench: Bench) -> None:
    widget = explorer()
    bench.show(widget)
    bench.page.locator('[data-cell="0"]').click()
    bench.press("m")
    widget.state = {"cells": [0]}
    read = same_as_python(bench, widget)
    assert not any(head[0][0] for layer in read["weights"] for head in layer)
    assert "NaN" not in bench.page.locator("[data-widget]").inner_text()


def test_letters_that_the_model_lacks_are_told(bench: Bench) -> None:
    bench.show(explorer())
    field = bench.page.get_by_role("textbox")
    before = bench.page.locator(".at-w7").bounding_box()["height"]
    field.fill("a1b!")
    assert "Left out" in bench.page.locator(".at-notice").inner_text()
    field.fill("12")
    notice = bench.page.locator(".at-notice").inner_text()
    assert "at least one letter" in notice and notice.split(".")[0].endswith(": 1 2")
    assert bench.read()["ids"] == []
    assert not bench.page.get_by_role("grid").first.is_visible()
    height = bench.page.locator(".at-w7").bounding_box()["height"]
    assert height > 0.7 * before, "the page below stays where it is"
    field.fill("b")
    said = bench.page.locator(".at-say").first.text_content()
    assert said.endswith("on a text of one letter it can only look at itself.")
    field.fill("ab")
    assert bench.read()["ids"] == [0, 1]
    field.fill("abcab")
    read = bench.read()
    assert (read["query"], read["key"]) == (3, 1), "the last one that a copy tells"


def test_two_on_a_page_have_states_of_their_own(bench: Bench) -> None:
    one, two = explorer(slug="one"), explorer(slug="two")
    bench.show(one, two)
    bench.page.get_by_role("button", name="Silence this head").first.click()
    assert len(bench.read(0)["silent"]) == 1 and bench.read(1)["silent"] == []
    same_as_python(bench, two, 1)


def test_a_local_window_can_be_drawn_by_keys(bench: Bench) -> None:
    bench.show(explorer())
    bench.page.get_by_role("textbox").fill("abcde")
    bench.page.get_by_role("gridcell").focus()
    bench.press("Control+Home", "PageDown", "m", "ArrowRight", "m")
    bench.press("ArrowUp", "Home", "m")
    read = bench.read()
    assert read["mask"] == preset("local", 5, 3).long().tolist()
    assert read["goals"][3] is True


def test_the_story_of_the_first_state_and_all_goals_by_keyboard(bench: Bench) -> None:
    widget = SelfAttention(train_copier(1)[0])
    bench.show(widget)
    read = same_as_python(bench, widget)
    ahead = [head[1] for head in read["shares"][1]]
    best, idle = (ahead.index(x) for x in sorted(ahead, reverse=True)[:2])
    assert (read["layer"], read["head"]) == (1, best) and ahead[best] > 0.9
    assert read["copied"] > 0.9
    said = bench.page.locator(".at-equation").text_content()
    assert "a = exp(" in said and "^" not in said
    bench.page.get_by_role("option", name=f"head {best + 1} of layer 2").focus()
    bench.press("x")
    assert bench.read()["copied"] < 0.3 < bench.read()["copied_before"]
    bench.press("x", *["h"] * ((idle - best) % 4), "x")
    assert same_as_python(bench, widget)["copied"] > 0.9
    bench.press("x", "l", *["h"] * ((-idle) % 4), "x")  # the head that looks one back
    assert bench.read()["copied"] < 0.3
    assert bench.read()["goals"] == [True, True, False, False]
    bench.press("x")
    bench.page.get_by_role("textbox").fill("thequickbrown")
    before = bench.read()["sure"]
    bench.page.get_by_role("radio", name="Causal").focus()
    bench.press("ArrowRight")
    read = bench.read()
    assert read["preset"] == "full" and read["sure"][1] > 0.6 > before[1]
    assert read["goals"] == [True, True, True, False]


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(bench: Bench, dark: bool) -> None:
    page = bench.show(explorer())
    if dark:
        page.emulate_media(color_scheme="dark")
    bench.page.get_by_role("button", name="Silence this head").click()
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    named = [item["id"] for item in found.response["violations"]]
    assert named == []


def test_copied_code_makes_the_widget_again() -> None:
    widget = explorer()
    widget.state = {"silent": [1], "cells": [5]}
    code = widget.to_python()
    made: dict[str, Any] = {"copier": model()}
    exec(code.rsplit("\n", 1)[0], made)
    assert made["widget"].state == widget.state
    assert made["widget"].picture()[:4] == b"\x89PNG"
