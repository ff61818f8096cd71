"""Attention without recurrence: heads, positions, layers, models."""

from .embedding import POSITIONS, Embedding, score_position
from .language_model import LanguageModel, generate
from .layers import Cache, DecoderLayer, Encoder, EncoderLayer, FeedForward
from .model import Source, Transformer
from .multihead import KeyValue, MultiHeadAttention
from .positions import (
    Alibi,
    Learned,
    Rotary,
    ScorePosition,
    Shaw,
    Sinusoidal,
    TransformerXL,
    distances,
    sinusoidal,
)
from .schedule import warm_up

__all__ = [
    "POSITIONS",
    "Alibi",
    "Cache",
    "DecoderLayer",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "KeyValue",
    "LanguageModel",
    "Learned",
    "MultiHeadAttention",
    "Rotary",
    "ScorePosition",
    "Shaw",
    "Sinusoidal",
    "Source",
    "Transformer",
    "TransformerXL",
    "distances",
    "generate",
    "score_position",
    "sinusoidal",
    "warm_up",
]
