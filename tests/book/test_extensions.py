"""The book's own Sphinx extensions, each on small input."""

import base64
import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from fontTools.ttLib import TTFont
from myst_parser.docutils_ import Parser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import citations as citations_tool
from tools.project import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import accessible
import callouts
import chinese
import evidence
import formula
import lean
import offline
import reference

import chapters


def boxes(markdown: str) -> nodes.document:
    """The document tree after the callouts' transform."""
    tree = publish_doctree(markdown, parser=Parser(), settings_overrides={})
    callouts.Callouts(tree).apply()
    return tree


@pytest.mark.parametrize(
    "markdown, kind",
    [
        ("> **Note.** Hello *you*.", nodes.note),
        ("> **Warning:** Hello *you*.", nodes.warning),
        ("> **Tip** Hello *you*.", nodes.tip),
        ("> **注意.** Hello *you*.", nodes.note),
        ("- item\n\n  > **Pitfall.** Hello *you*.", nodes.warning),
    ],
)
def test_marked_quotation_becomes_a_box(markdown: str, kind: type) -> None:
    tree = boxes(markdown)
    (box,) = tree.findall(kind)
    assert box.astext() == "Hello you."
    assert not list(tree.findall(nodes.block_quote))


def test_box_keeps_every_paragraph_and_a_title_of_its_own() -> None:
    (box,) = boxes("> **Note — Why so.** One.\n>\n> Two.").findall(nodes.admonition)
    assert [child.astext() for child in box] == ["Why so", "One.", "Two."]
    assert "note" in box["classes"]


@pytest.mark.parametrize(
    "markdown", ["> Just a quotation.", "> **Bahdanau.** He said."]
)
def test_other_quotations_stay(markdown: str) -> None:
    assert len(list(boxes(markdown).findall(nodes.block_quote))) == 1


def test_outputs_join_the_prose_as_it_stands_now() -> None:
    code = new_code_cell("1 + 1", id="c")
    ran = new_code_cell("1 + 1", id="c", outputs=[new_output("stream", text="2")])
    page = new_notebook(cells=[new_markdown_cell("new words"), code])
    done = new_notebook(
        cells=[ran], metadata={"attnkit": {}, "language_info": {"name": "python"}}
    )
    merged = chapters.merge(page, done)
    assert merged.cells[0].source == "new words"
    assert merged.cells[1].outputs[0].text == "2"
    assert merged.metadata.language_info.name == "python"
    assert "attnkit" not in merged.metadata


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAAECAQAAAAqVTaFAAAADklEQVR4nGNgQAb/"
    "/4MQAAHfAf+AAAAAAElFTkSuQmCC"
)


def test_widget_output_becomes_a_live_place_with_a_picture(tmp_path: Path) -> None:
    view = {chapters.VIEW: {"model_id": "m"}, "image/png": PIXEL, "text/plain": "W()"}
    cell = new_code_cell("W()", outputs=[new_output("display_data", data=view)])
    state = {"m": {"state": {"alt": 'a "plane"', "caption": "Drag it."}}}
    page = new_notebook(cells=[cell])
    page.metadata["widgets"] = {chapters.STATE: {"state": state}}
    app = SimpleNamespace(outdir=tmp_path)
    chapters.place_outputs(app, "chapters/one/a", page)
    html = page.cells[0].outputs[0]["data"]["text/html"]
    assert '{"model_id": "m"}' in html
    assert 'alt="a &quot;plane&quot;"' in html
    assert "<figcaption>Drag it.</figcaption>" in html
    (picture,) = (tmp_path / "_images").iterdir()
    assert f'src="../../_images/{picture.name}"' in html


def test_pictures_in_html_move_to_files(tmp_path: Path) -> None:
    html = f'<figure><img alt="a" src="data:image/png;base64,{PIXEL}"></figure>'
    app = SimpleNamespace(outdir=tmp_path)
    moved = chapters.move_images(app, "chapters/one/a", html)
    (picture,) = (tmp_path / "_images").iterdir()
    assert f'<img alt="a" src="../../_images/{picture.name}">' in moved
    assert picture.read_bytes() == base64.b64decode(PIXEL)


def test_characters_of_pages_and_of_widget_data_are_kept() -> None:
    assert offline.characters("注 \\u610f") >= {ord("注"), ord("意")}


def test_a_page_brings_the_chinese_characters_that_stand_on_it(tmp_path: Path) -> None:
    pages = {"a.html": "注意", "b/c.html": "\\u6ce8意", "d.html": "x", "e.html": "力é"}
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"<head></head>{text}", "utf-8")
    font = tmp_path / "_static" / "attnkit-cjk.woff2"
    font.parent.mkdir()
    shutil.copy(ROOT / "book" / "_static" / font.name, font)
    builder = SimpleNamespace(format="html")
    chinese.finish(SimpleNamespace(outdir=tmp_path, builder=builder), None)
    faces = {name: (tmp_path / name).read_text("utf-8") for name in pages}
    assert "unicode-range: U+610F, U+6CE8;" in faces["a.html"]
    assert "unicode-range: U+529B;" in faces["e.html"]
    assert "font-face" not in faces["d.html"]
    cut = re.findall(
        r'url\("(?:\.\./)?(_static/cjk/\w+\.woff2)"', "".join(faces.values())
    )
    assert cut[0] == cut[1] != cut[2] and '"../_static' in faces["b/c.html"]
    assert set(TTFont(tmp_path / cut[0]).getBestCmap()) == {0x610F, 0x6CE8}
    assert (tmp_path / cut[0]).stat().st_size < 2000


def test_icons_in_use_are_kept_and_no_others() -> None:
    sheet = '.fa-moon:before{content:"\\f186"}.fa-sun:before,.fa-day:before'
    sheet += '{content:"\\f185"}.fa-cat:before{content:"\\f6be"}'
    sheet += ':root{--icon:"\\f05a"}'
    page = '<i class="fa-solid fa-day"></i><i class="fas fa-moon"></i>'
    assert offline.icons(sheet, page) == {0xF186, 0xF185, 0xF05A}


def test_another_mathjax_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(offline.PARTS, "core", "0" * 64)
    with pytest.raises(Exception, match=r"core.js: expected sha256 000"):
        offline.mathjax_folder()


def test_blackboard_letters_have_a_file_of_their_own(tmp_path: Path) -> None:
    offline.copy_mathjax(tmp_path)
    folder = tmp_path / "vendor" / "mathjax"
    script = (folder / offline.SCRIPT).read_text("utf-8")
    assert script.count(offline.BLACKBOARD) == script.count("AMS-Regular.woff2") == 1
    assert '.woff")' not in script
    fonts = folder / offline.FONTS
    letters, whole = fonts / offline.BLACKBOARD, fonts / "MathJax_AMS-Regular.woff2"
    assert ord("R") in TTFont(letters).getBestCmap()
    assert letters.stat().st_size < whole.stat().st_size / 4
    asked = set(re.findall(r"MathJax_[\w-]+\.woff2", script))
    assert asked <= {font.name for font in fonts.iterdir()}


SHEET = """@charset "UTF-8"; /* .gone{} */ @import "b.css";
p, .here > a:not(.gone), .gone a { color: red; content: "}" }
.gone { background: url(data:image/svg+xml;utf8,<svg/>) }
@media (max-width: 9px) { .here.gone { top: 0 } .w-\\[5\\].here, li { top: 1px } }
@media print { .gone { top: 0 } }
@font-face { font-family: gone; src: url("a;b.woff2") }
.bs-made { top: 0 }"""


def test_rules_for_classes_of_no_page_are_dropped_and_no_others() -> None:
    assert lean.lean(SHEET, {"here"}) == (
        '@charset "UTF-8";@import "b.css";'
        'p,.here > a:not(.gone){color: red; content: "}"}'
        "@media (max-width: 9px){.w-\\[5\\].here,li{top: 1px}}"
        '@font-face{ font-family: gone; src: url("a;b.woff2") }'
        ".bs-made{top: 0}"
    )


def test_what_is_lean_stays_as_it_is() -> None:
    once = lean.lean(SHEET, {"here"})
    assert lean.lean(once, {"here"}) == once


def claim(text: str, seed: int, holds: bool, value: object) -> dict:
    run = {"chapter": "one/a", "claim": text, "seed": seed}
    return run | {"holds": holds, "value": value}


def test_claims_are_counted_and_their_spread_is_shown() -> None:
    runs = [claim("a > b", seed, seed != 2, seed / 8) for seed in range(1, 6)]
    runs += [claim("pair", seed, True, [1.0, seed]) for seed in range(1, 6)]
    text = "\n".join(evidence.claims_text(runs))
    assert "2 claims in 1 chapters; 1 held in every run." in text
    assert "## [one/a](../chapters/one/a.ipynb)" in text
    assert "| a > b | 4 of 5 | 0.125 … 0.625 |" in text
    assert "| pair | 5 of 5 | 1; 1 … 5 |" in text


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1 / 3, 2 / 3], "0.333 … 0.667"),
        ([0.5, 0.50001], "0.500"),
        ([0.99967, 1.0], "1.00"),
        ([20832, 15744], "15,744 … 20,832"),
        ([12345.678], "12,300"),
        ([1.19e-07, 2e-7], "1.19 × 10⁻⁷ … 2.00 × 10⁻⁷"),
        ([0.0, -0.25], "−0.250 … 0"),
        ([{"dot": 0.12345, "cosine": 1}, {"dot": 0.2, "cosine": 1}],
         "dot: 0.123 … 0.200<br>cosine: 1"),
        ([{"mean": ["softmax", "sum"]}] * 2, "mean: softmax; sum"),
        ([[1, 2], [3]], "1 … 3"),
        (["yes", "no", "yes"], "yes, no"),
        ([True, True], "True"),
    ],
)  # fmt: skip
def test_measured_values_are_ranges_that_one_can_read(values: list, shown: str) -> None:
    assert evidence.spread(values) == shown


def test_numbers_of_a_clock_are_marked_as_such() -> None:
    assert (
        evidence.MACHINE
        in evidence.row("over 5 times the time", [claim("", 1, True, 1)])[0]
    )
    assert (
        evidence.MACHINE
        not in evidence.row("learns faster", [claim("", 1, True, 1)])[0]
    )


def test_claims_stand_under_the_title_of_their_chapter() -> None:
    from tools import project

    for path in project.chapters():
        assert evidence.title(project.chapter_name(path)) != project.chapter_name(path)


def test_bars_do_not_break_a_table() -> None:
    text = "\n".join(evidence.claims_text([claim("|x| < 1", 1, True, "yes")]))
    assert "| \\|x\\| < 1 | 1 of 1 | yes |" in text


def test_cards_are_listed_by_kind_and_each_once() -> None:
    from attnkit import catalog

    cards = catalog.cards()
    text = "\n".join(reference.catalog_text(cards))
    for card in cards:
        assert text.count(f"(catalog/{card.key}.md)") == 1
    kinds = {card.key: reference.kind(card) for card in cards}
    assert kinds["additive"] == "scores" and kinds["sparsemax"] == "normalizers"
    assert kinds["mean_pooling"] == "pooling" and kinds["rotary"] == "positions"
    assert kinds["window"] == "cheaper"
    assert kinds["bahdanau"] == "rnn" and kinds["multi_head"] == "transformer"
    assert set(kinds.values()) <= set(reference.KINDS)
    scores = text[text.index("## Scores") : text.index("## Normalizers")]
    assert scores.index("Additive score") < scores.index("Scaled dot score")


@pytest.mark.parametrize(
    ("expression", "tex"),
    [
        ("N*M*d", "N M d"),
        ("N*N*d+M*2", "N^2 d + 2 M"),
        ("N*(H*d)**2*32+8*N*N*H*d", "32 N (H d)^2 + 8 N^2 H d"),
        ("8*(N+M)*(H*d)**2/2", "4 (N + M) (H d)^2"),
        ("N*M*(2*h+v)", "N M (2 h + v)"),
        ("max(N, M)*d", r"\max(N, M) d"),
        ("N*M/2", "1/2 N M"),
        ("7", "7"),
    ],
)
def test_a_cost_is_written_as_by_hand(expression: str, tex: str) -> None:
    assert formula.formula(expression) == tex


@pytest.mark.parametrize("expression", ["N-M", "f(N)", "N**M", "'N'", "2.5*N"])
def test_what_is_no_cost_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="expected sums and products"):
        formula.formula(expression)


def test_links_to_a_paper_get_the_anchor_of_its_entry() -> None:
    page = "../../book/bibliography.md"
    text = f"By [Bahdanau, Cho and\nBengio (2015)]({page}), see the [list]({page})."
    stamped = citations_tool.stamp(text)
    assert f"({page}#bahdanau2014neural), see the [list]({page})." in stamped
    assert citations_tool.stamp(stamped) == stamped
    assert citations_tool.wrong(text) and not citations_tool.wrong(stamped)
    assert citations_tool.keys("Cho and others (2014)") == [
        "cho2014learning",
        "cho2014properties",
    ]
    assert citations_tool.wrong(f"[Luong, 2015]({page}#bahdanau2014neural)")
    assert citations_tool.wrong(f"[Nobody, 1801]({page})")


def test_speed_shows_a_row_per_implementation_and_the_passes_across() -> None:
    spread = {"median": 1.5, "low": 1.4, "high": 1.7}
    case = {
        "name": "attend",
        "size": "batch 8 × width 64",
        "floor": "softmax",
        "floor_ms": 2.5,
    }
    forward = case | {"pass": "forward", "ratios": {"ours": spread, "theirs": spread}}
    both = case | {"pass": "both", "floor_ms": 5.0, "ratios": {"ours": spread}}
    machine = dict.fromkeys(("system", "processor", "python", "torch", "threads"), "1")
    result = {
        "machine": machine | {"cores": "2"},
        "rounds": 5,
        "cases": [forward, both],
    }
    text = "\n".join(reference.speed_text([result, result]))
    assert text.count("## The machine") == 1 and "## Another run" not in text
    other = result | {"rounds": 9}
    assert "## Another run" in reference.speed_text([result, other])
    assert "## attend\n" in text
    assert "Sizes: batch 8 × width 64. Floor: softmax (2.5 ms forward" in text
    assert "| ours | 1.5 (1.4–1.7) | 1.5 (1.4–1.7) |" in text
    assert "| theirs | 1.5 (1.4–1.7) |  |" in text


def test_card_pages_are_made_kept_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attnkit import catalog

    cost = {"time": "N*N*4", "memory": "N"}
    cards = [SimpleNamespace(key=key, **cost) for key in ("dot", "gone")]
    monkeypatch.setattr(reference, "CARDS", tmp_path)
    monkeypatch.setattr(catalog, "cards", lambda: cards)
    monkeypatch.setattr(catalog, "reference_page", lambda card: "$O(N N 4)$\n")
    reference.write_cards(None, None)
    before = (tmp_path / "dot.md").stat().st_mtime_ns
    cards.pop()
    reference.write_cards(None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["dot.md"]
    assert (tmp_path / "dot.md").read_text("utf-8") == "$O(4 N^2)$\n"
    assert (tmp_path / "dot.md").stat().st_mtime_ns == before


def test_recorded_claims_are_those_of_the_chapters_and_hold() -> None:
    """Five seeds for every claim, each held in at least four."""
    from tools import claims, project

    if not claims.RECORD.exists():
        pytest.fail("no record of claims: type `make claims`", pytrace=False)
    records = json.loads(claims.RECORD.read_text(encoding="utf-8"))
    assert claims.weak(records) == []
    for path in project.chapters():
        name = project.chapter_name(path)
        mine = [r for r in records if r["chapter"] == name]
        assert {r["seed"] for r in mine} == set(claims.SEEDS), name
        texts = {
            seed: {r["claim"] for r in mine if r["seed"] == seed} for seed in (1, 5)
        }
        assert texts[1] == texts[5]


def test_unfolding_button_is_named_after_its_page() -> None:
    start = (
        '<a class="reference internal" href="a.html"><span class="n">1.</span> A "B"'
    )
    end = '</a><details><summary><span class="toctree-toggle"></span></summary>'
    named = '<summary aria-label="Pages of 1. A &quot;B&quot;">'
    assert named in accessible.mend(start + end)
    here = start.replace('"reference', '"current reference').replace("a.html", "#")
    assert named in accessible.mend(here + end)
    assert accessible.mend("<details><summary>Hint</summary>").count("aria-label") == 0


def test_figures_stand_in_a_box_and_formulas_without_scripts_are_explained() -> None:
    figure = '<figure class="attnkit-figure"><img alt="a" width="700" height="3">'
    page = f'<article class="bd-article">{figure}<figcaption>b</figcaption></figure>'
    mended = accessible.mend(page)
    assert '<div class="figure-box" style="--wide: 700px"><img' in mended
    assert 'height="3"></div><figcaption>' in mended
    assert "book-noscript" not in mended
    assert accessible.mend(mended) == mended
    formula = accessible.mend(f'{page}<span class="math notranslate">')
    assert formula.count("book-noscript") == 1
    assert accessible.mend(formula) == formula
