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
from .video import FrameCNN, TemporalAttention, VideoCaptioner
from .video_keys import CNNKeys, RNNKeys, TransformerKeys
from .video_page import ClipReader
from .video_recipe import (
    VIDEO,
    ClipScores,
    VideoRecipe,
    evaluate_clips,
    held_out_clips,
    right_words,
    train_captioner,
    train_eye,
    training_clips,
)

__all__ = [
    "RECIPE",
    "VIDEO",
    "CNNKeys",
    "CaptionDecoder",
    "ClipReader",
    "ClipScores",
    "Decoded",
    "Decoder",
    "Encoder",
    "FrameCNN",
    "Gates",
    "GlobalAttention",
    "LocalMonotonic",
    "LocalPredictive",
    "Memory",
    "RNNKeys",
    "Recipe",
    "Scores",
    "Seq2Seq",
    "State",
    "TemporalAttention",
    "TransformerKeys",
    "Translation",
    "VideoCaptioner",
    "VideoRecipe",
    "beam_decode",
    "evaluate",
    "evaluate_clips",
    "gated_sum",
    "gates",
    "greedy_decode",
    "held_out_clips",
    "held_out_pairs",
    "pointing",
    "right_words",
    "token_accuracy",
    "train_captioner",
    "train_eye",
    "train_translator",
    "training_clips",
    "training_pairs",
    "translate",
    "translation_loss",
]
