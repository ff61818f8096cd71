"""The catalog: complete, in order, and clear about what it refuses."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from torch import nn

import attnkit
from attnkit import attend, catalog
from attnkit.catalog import TOOLS, Card

CARDS = catalog.cards()
# Public names of attend that are no mechanism by themselves.
STEPS = {"NORMALIZERS", "SCORES", "aggregate", "causal_mask", "padding_mask"}
# Public modules of a family that attend to nothing by themselves.
PARTS = {"Encoder", "Decoder", "Seq2Seq"}
PARTS |= {"FrameCNN", "RNNKeys", "CNNKeys", "VideoCaptioner", "ClipReader"}
PARTS |= {"TransformerKeys"}  # torch's own self-attention, for a chapter before it
PARTS |= {"Transformer", "LanguageModel", "EncoderLayer", "DecoderLayer"}
PARTS |= {"FeedForward", "Embedding", "Sinusoidal", "Learned", "ScorePosition"}
PARTS |= {"SegmentLanguageModel"}  # its attention is the card of its positions
PARTS |= {"CaptionTransformer"}  # a decoder whose heads have cards
PARTS |= {"OpenHeads", "OpenOrders"}  # models of a card, made ready for a page
PARTS |= {"SequenceClassifier", "CaptionDecoder", "Captioner", "RegionEncoder"}
every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.key)


def families() -> list[str]:
    found = pkgutil.iter_modules(attnkit.__path__)
    return [
        module.name for module in found if module.ispkg and module.name not in TOOLS
    ]


def public_mechanisms() -> set:
    names = set(attend.__all__) - STEPS
    found = {getattr(attend, name) for name in names}
    for family in families():
        package = importlib.import_module(f"attnkit.{family}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            found |= set(modules_of(importlib.import_module(module.name)))
    return found


def modules_of(module) -> list[type]:
    return [
        item
        for name, item in inspect.getmembers(module, inspect.isclass)
        if issubclass(item, nn.Module) and item.__module__ == module.__name__
        if not name.startswith("_") and name not in PARTS
    ]


def test_every_public_mechanism_has_a_card():
    missing = public_mechanisms() - {card.source for card in CARDS}
    assert not missing


def test_names_of_scores_and_normalizers_are_their_keys():
    for name, chosen in (attend.SCORES | attend.NORMALIZERS).items():
        assert catalog.card(name).source is chosen


def test_cards_come_in_order_of_publication():
    dates = [(card.year, card.month) for card in CARDS]
    assert dates == sorted(dates) and len({card.key for card in CARDS}) == len(CARDS)


@every_card
def test_usage_runs(card):
    lines = inspect.cleandoc(card.usage).splitlines()
    assert lines == card.usage.splitlines()  # so that it can be pasted as it is
    imports = "\n".join(line for line in lines if line.startswith(("import", "from")))
    names: dict = {}
    exec(imports, names)
    assert any(value is card.source for value in names.values())
    compile(inspect.cleandoc(card.usage), card.key, "exec")


@every_card
def test_reference_page_tells_all(card):
    page = catalog.reference_page(card)
    told = [
        card.title,
        card.paper,
        card.url,
        f"{{cite:t}}`{card.cite}`",
        card.receptive,
    ]
    told += [oracle.what for oracle in card.oracles]
    told += [*card.controls, *card.excuses.values()]
    assert [text for text in told if text not in page] == []
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 5 and {line.count("|") for line in rows} == {4}


def test_unknown_names_are_answered_with_known_ones():
    with pytest.raises(ValueError, match=r"key: .*sparsemax.*got 'sparsmax'"):
        catalog.card("sparsmax")
    for key in (5, None, []):
        with pytest.raises(TypeError, match="key: expected a string, got"):
            catalog.card(key)
    with pytest.raises(ValueError, match=r"family: .*idea.*got 'ideas'"):
        catalog.cards("ideas")


def test_a_key_is_taken_once():
    taken = catalog.card("dot")
    with pytest.raises(ValueError, match="'dot', which is Dot score"):
        catalog.register(Card(**(vars(taken) | {"title": "Another"})))
    assert catalog.card("dot") is taken


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("excuses", {"luck": "none"}),
        ("question", "why"),
        ("attends_to", ("soul",)),
        ("month", 13),
        ("controls", {}),
        ("field", None),
    ],
)
def test_a_wrong_card_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} of card 'dot'"):
        Card(**(vars(catalog.card("dot")) | {field: value}))


def test_every_paper_is_in_the_bibliography():
    path = Path(attnkit.__file__).parents[1] / "book" / "references.bib"
    known = re.findall(r"^@\w+\{([^,]+),", path.read_text(encoding="utf8"), re.M)
    assert {card.cite for card in CARDS} <= set(known)
