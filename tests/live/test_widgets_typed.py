"""What a reader types into type to align: its characters, its truth, many columns."""

from __future__ import annotations

from attnkit.data import GRAMMAR, UNK, dates, lexicon, mixed, parse, vocabularies
from attnkit.live.characters import characters, narrow
from tests.live.test_widgets_align import SOURCES, aligner, same_as_python, type_in
from tests.live.widget_bench import Bench, in_node


def test_the_page_reads_the_truth_of_a_text_as_python_does() -> None:
    made = mixed(400, 1, lengths=(1, 30)).source + dates(200, 2).source
    cut = [text[:-1] for text in made if len(text) > 1]
    turned = [text[::-1] for text in made]
    leap = [f"{y}年2月29日" for y in (4, 1900, 2000, 2020, 2021, 9999)]
    texts = [*made, *cut, *turned, *leap, *lexicon().source, *SOURCES, "", "、", "的"]
    found = in_node("core/chinese.js", "parse", [[text, GRAMMAR] for text in texts])
    for text, page in zip(texts, found, strict=True):
        item = parse(text)
        known = item and {"target": [*item.target]}
        known = known and known | {"alignment": [[*places] for places in item[2]]}
        assert page == known, text


TYPED = [
    "２０１４年", "👨\u200d👩\u200d👧月", "👍🏽日", "🇨🇳🇩🇪🇫", "e\u0301x", "☺\ufe0f年",
    "\u200d年", "1 2\t3", "", "🏴\U000e0067\U000e007f月", "机\u0301\u0302器",
]  # fmt: skip


def test_a_joined_emoji_is_one_character_on_both_sides() -> None:
    found = in_node("core/characters.js", "characters", [[text] for text in TYPED])
    assert found == [characters(text) for text in TYPED]
    assert characters("👨\u200d👩\u200d👧月👍🏽🇨🇳") == [
        "👨\u200d👩\u200d👧",
        "月",
        "👍🏽",
        "🇨🇳",
    ]
    told = in_node("core/characters.js", "narrow", [[text] for text in TYPED])
    assert told == [narrow(text) for text in TYPED]
    assert told[0] == "2014年"


def test_full_width_digits_are_read_and_one_sentence_says_so(bench: Bench) -> None:
    widget = aligner()
    page = bench.show(widget)
    type_in(bench, "２０１４年９月👨\u200d👩\u200d👧")
    read = same_as_python(bench, widget, text="２０１４年９月👨\u200d👩\u200d👧")
    ids = vocabularies()[0].encode("2014年9月")
    assert read["source"] == [*ids, UNK]
    assert "Full-width digits are read as 0 to 9." in page.inner_text(".at-notice")
    assert page.locator("[data-note=unknown]").count() == 1


def test_the_truth_of_a_typed_date_is_known_where_the_language_is(
    bench: Bench,
) -> None:
    plain, taught = aligner(), aligner(grammar=GRAMMAR)
    goal = "The truth of this text is not known here"
    for widget, known in ((plain, False), (taught, True)):
        page = bench.show(widget)
        page.get_by_text("Try it yourself").click()
        type_in(bench, "1999年12月31日")
        assert (bench.read()["pointing"] is not None) == known
        assert (goal not in page.inner_text(".at-goals")) == known
        assert (page.locator(".at-truth").count() > 0) == known
        type_in(bench, "1999年12月32日")
        assert bench.read()["pointing"] is None and page.get_by_text(goal).count()


def test_attention_and_answer_in_disagreement_can_be_found(bench: Bench) -> None:
    """A random model disagrees with the truth of nearly any date."""
    page = bench.show(aligner(grammar=GRAMMAR))
    page.get_by_text("Try it yourself").click()
    for text in ("七", "3月5日", "2014年9月1日", "机器学习", "12月31日、七"):
        type_in(bench, text)
    assert bench.read()["goals"][1]


def test_many_columns_scroll_in_their_box_on_a_phone(bench: Bench) -> None:
    page = bench.show(aligner())
    page.set_viewport_size({"width": 390, "height": 900})
    type_in(bench, "2014年9月1日、机器学习、十二月二十五日、七")
    sizes = """() => { const host = document.querySelector('[data-widget]');
      const find = (what) => [...host.shadowRoot.querySelectorAll(what)];
      const wide = (n) => n.getBoundingClientRect().width;
      const room = (all) => Math.min(...all.map(wide));
      const chip = find('.at-board-strips .at-view:first-child .at-chip');
      return { wide: document.documentElement.scrollWidth, col: room(find('.at-col')),
        clipped: chip.filter((n) => n.scrollWidth > n.clientWidth + 1).length }; }"""
    found = page.evaluate(sizes)
    assert found["wide"] <= 390 and found["col"] >= 16 and found["clipped"] == 0
    page.get_by_role("gridcell").focus()
    bench.press("End")
    seen = page.evaluate("""() => { const root = document.querySelector('[data-widget]')
      .shadowRoot; const at = root.querySelector('.at-active').getBoundingClientRect();
      const box = root.querySelector('.at-heat').parentElement.getBoundingClientRect();
      return at.right <= box.right + 1 && at.left >= box.left; }""")
    assert seen
