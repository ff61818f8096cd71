"""Attention meets recurrence: encoder, attention, decoder, search."""

from attnkit.search import Decoded, beam_decode, greedy_decode
from attnkit.translation import (
    Scores,
    Translation,
    evaluate,
    held_out_pairs,
    pointing,
    token_accuracy,
    training_pairs,
    translate,
    translation_loss,
)

from .attention import GlobalAttention, LocalMonotonic, LocalPredictive
from .captioner import CaptionDecoder
from .decoder import Decoder, State
from .encoder import Encoder, Memory
from .gates import Gates, gated_sum, gates
from .pooling import (
    POOLINGS,
    AttentionPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    SequenceClassifier,
    TimeStepAttention,
)
from .pooling_recipe import PoolScores, evaluate_classifier, train_classifier
from .recipe import RECIPE, Recipe, train_translator
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
    without_look,
)
from .video_saved import Run, saved_reader, saved_runs

__all__ = [
    "POOLINGS",
    "RECIPE",
    "VIDEO",
    "AttentionPooling",
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
    "LastPooling",
    "LocalMonotonic",
    "LocalPredictive",
    "MaxPooling",
    "MeanPooling",
    "Memory",
    "PoolScores",
    "RNNKeys",
    "Recipe",
    "Run",
    "Scores",
    "Seq2Seq",
    "SequenceClassifier",
    "State",
    "TemporalAttention",
    "TimeStepAttention",
    "TransformerKeys",
    "Translation",
    "VideoCaptioner",
    "VideoRecipe",
    "beam_decode",
    "evaluate",
    "evaluate_classifier",
    "evaluate_clips",
    "gated_sum",
    "gates",
    "greedy_decode",
    "held_out_clips",
    "held_out_pairs",
    "pointing",
    "right_words",
    "saved_reader",
    "saved_runs",
    "token_accuracy",
    "train_captioner",
    "train_classifier",
    "train_eye",
    "train_translator",
    "training_clips",
    "training_pairs",
    "translate",
    "translation_loss",
    "without_look",
]
