"""Attention meets recurrence: encoder, attention, decoder, search."""

from attnkit.search import Decoded, beam_decode, greedy_decode

from .attention import GlobalAttention, LocalMonotonic, LocalPredictive
from .captioner import CaptionDecoder
from .decoder import Decoder, State
from .encoder import Encoder, Memory
from .gates import Gates, gated_sum, gates
from .measure import Scores, Translation, evaluate, pointing, token_accuracy, translate
from .recipe import (
    RECIPE,
    Recipe,
    held_out_pairs,
    train_translator,
    training_pairs,
    translation_loss,
)
from .seq2seq import Seq2Seq

__all__ = [
    "RECIPE",
    "CaptionDecoder",
    "Decoded",
    "Decoder",
    "Encoder",
    "Gates",
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
    "gated_sum",
    "gates",
    "greedy_decode",
    "held_out_pairs",
    "pointing",
    "token_accuracy",
    "train_translator",
    "training_pairs",
    "translate",
    "translation_loss",
]
