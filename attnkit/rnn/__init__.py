"""Attention meets recurrence: encoder, attention, decoder, search."""

from .attention import GlobalAttention, LocalMonotonic, LocalPredictive
from .captioner import CaptionDecoder
from .decoder import Decoder, State
from .encoder import Encoder, Memory
from .measure import Scores, Translation, evaluate, pointing, token_accuracy, translate
from .recipe import (
    RECIPE,
    Recipe,
    held_out_pairs,
    train_translator,
    training_pairs,
    translation_loss,
)
from .search import Decoded, beam_decode, greedy_decode
from .seq2seq import Seq2Seq

__all__ = [
    "RECIPE",
    "CaptionDecoder",
    "Decoded",
    "Decoder",
    "Encoder",
    "GlobalAttention",
    "LocalMonotonic",
    "LocalPredictive",
    "Memory",
    "Recipe",
    "Scores",
    "Seq2Seq",
    "State",
    "Translation",
    "beam_decode",
    "evaluate",
    "greedy_decode",
    "held_out_pairs",
    "pointing",
    "token_accuracy",
    "train_translator",
    "training_pairs",
    "translate",
    "translation_loss",
]
