"""Generated tasks with a known right answer, and loaders for real sets."""

from .chinese import GRAMMAR, date, english, join, number, parse, phrase
from .clips import Clips, MovingShapes
from .corpora import multi30k, multi30k_lines
from .generate import dates, lexicon, mixed, numbers, vocabularies
from .pairs import Batch, PairSet, in_test
from .vocabulary import BOS, EOS, PAD, UNK, Vocabulary

__all__ = [
    "BOS",
    "EOS",
    "GRAMMAR",
    "PAD",
    "UNK",
    "Batch",
    "Clips",
    "MovingShapes",
    "PairSet",
    "Vocabulary",
    "date",
    "dates",
    "english",
    "in_test",
    "join",
    "lexicon",
    "mixed",
    "multi30k",
    "multi30k_lines",
    "number",
    "numbers",
    "parse",
    "phrase",
    "vocabularies",
]
