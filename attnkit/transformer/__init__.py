"""Attention without recurrence: heads, positions, layers, models, cheaper ways."""

from .captioner import CaptionTransformer
from .embedding import POSITIONS, Embedding, score_position
from .language_model import LanguageModel, generate
from .layers import Cache, DecoderLayer, Encoder, EncoderLayer, FeedForward
from .linear import RandomFeatures, elu_plus_one, linear_attention
from .low_rank import LinformerAttention, clustered_attention, nystrom_attention
from .model import Transformer
from .multihead import KeyValue, MultiHeadAttention
from .permutation import PermutationLanguageModel, Streams, permutation_masks
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
from .recipe import RECIPE, Recipe, train_transformer
from .schedule import warm_up
from .segments import Memory, SegmentLanguageModel
from .tiling import tiled_attention
from .walk import Source
from .window import window_attention

__all__ = [
    "POSITIONS",
    "RECIPE",
    "Alibi",
    "Cache",
    "CaptionTransformer",
    "DecoderLayer",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "KeyValue",
    "LanguageModel",
    "Learned",
    "LinformerAttention",
    "Memory",
    "MultiHeadAttention",
    "PermutationLanguageModel",
    "RandomFeatures",
    "Recipe",
    "Rotary",
    "ScorePosition",
    "SegmentLanguageModel",
    "Shaw",
    "Sinusoidal",
    "Source",
    "Streams",
    "Transformer",
    "TransformerXL",
    "clustered_attention",
    "distances",
    "elu_plus_one",
    "generate",
    "linear_attention",
    "nystrom_attention",
    "permutation_masks",
    "score_position",
    "sinusoidal",
    "tiled_attention",
    "train_transformer",
    "warm_up",
    "window_attention",
]
