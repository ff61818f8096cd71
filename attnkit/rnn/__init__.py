"""Attention meets recurrence: encoder, attention, decoder, search."""

from .attention import GlobalAttention, LocalMonotonic, LocalPredictive
from .decoder import Decoder, State
from .encoder import Encoder, Memory
from .search import Decoded, beam_decode, greedy_decode
from .seq2seq import Seq2Seq

__all__ = [
    "Decoded",
    "Decoder",
    "Encoder",
    "GlobalAttention",
    "LocalMonotonic",
    "LocalPredictive",
    "Memory",
    "Seq2Seq",
    "State",
    "beam_decode",
    "greedy_decode",
]
