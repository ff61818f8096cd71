"""What does not fit is named, before anything is computed."""

import pytest
import torch
from torch import Tensor

from attnkit.rnn import (
    CaptionDecoder,
    Decoder,
    GlobalAttention,
    LocalMonotonic,
    LocalPredictive,
    RNNKeys,
    Seq2Seq,
    TransformerKeys,
)


def translator(**settings) -> Seq2Seq:
    return Seq2Seq(11, 13, embed_dim=4, hidden_dim=6, **settings).double().eval()


def stepped(model: Seq2Seq, ids: Tensor, weights: Tensor | None = None):
    """One step from the first symbols of `ids`, after a good source."""
    return model.step(ids[:, 0], *model.encode(GOOD), weights)


GOOD = torch.tensor([[4, 5, 6]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(GOOD * 0, GOOD), r"source: expected .* got none in rows \[0\]"),
        (lambda m: m(GOOD[:, :0], GOOD), "source: expected .* got none in any"),
        (lambda m: m(GOOD + 8, GOOD), "source: expected numbers from 0 to 10, got 12"),
        (lambda m: m(GOOD, GOOD + 9), "target: expected numbers from 0 to 12, got 13"),
        (lambda m: m(GOOD, GOOD[:, :0]), "target: expected at least one symbol"),
        (lambda m: m(GOOD.float(), GOOD), "source: expected whole numbers"),
        (lambda m: m(GOOD[0], GOOD), r"source: .* of shape \(3,\)"),
        (lambda m: m(GOOD, GOOD, GOOD), "source_mask: expected torch.bool"),
        (
            lambda m: m(GOOD, GOOD, torch.tensor([[True, False, True]])),
            "source_mask: expected padding after the symbols",
        ),
        (
            lambda m: translator(attention=None)(GOOD, GOOD, need_weights=True),
            "need_weights: expected False without attention",
        ),
        (lambda m: m(GOOD[:0], GOOD), "source: expected at least one row, got none"),
        (lambda m: m(GOOD, GOOD.repeat(2, 1)), r"target: expected 1 rows .*\(2, 3\)"),
        (
            lambda m: stepped(m, GOOD + 9),
            "token: expected .*0 to 12, got 13",
        ),
        (
            lambda m: stepped(m, GOOD[None]),
            r"token: .*\(batch\), got .*\(1, 3\)",
        ),
        (
            lambda m: stepped(m, GOOD.repeat(2, 1)),
            "token: expected 1 rows as in",
        ),
        (
            lambda m: stepped(m, GOOD, torch.ones(1, 4)),
            r"weights: expected shape \(1, 3\), got \(1, 4\)",
        ),
        (
            lambda m: stepped(m, GOOD, torch.ones(1, 3).long()),
            "weights: expected a floating-point dtype, got torch.int64",
        ),
        (
            lambda m: stepped(m, GOOD, torch.ones(1, 3).half()),
            "weights: expected dtype torch.float64 as in memory, got torch.float16",
        ),
        (
            lambda m: stepped(translator(attention=None), GOOD, torch.ones(1, 3)),
            "weights: expected None without attention",
        ),
        (
            lambda m: m.decoder(GOOD, *m.encode(GOOD), torch.ones(1, 1, 3)),
            r"weights: expected shape \(1, 3, 3\), got \(1, 1, 3\)",
        ),
        (
            lambda m: m.decoder(GOOD, m.encode(GOOD)[0], m.encode(GOOD.mT)[1]),
            r"memory: expected 1 rows as in state, got shape \(3, 1, 6\)",
        ),
        (lambda m: Seq2Seq(0, 9), "source_size: expected a value above 0, got 0"),
        (lambda m: Seq2Seq(9, -1), "target_size: expected a value above 0, got -1"),
        (lambda m: Seq2Seq(9, 9, embed_dim=0), "embed_dim: expected a value above 0"),
        (lambda m: Seq2Seq(9, 9, hidden_dim=0), "hidden_dim: expected a value above 0"),
        (lambda m: Seq2Seq(5, 5, attention="sharp"), "attention: .* got 'sharp'"),
        (lambda m: Seq2Seq(5, 5, cell="rnn"), "cell: expected one of gru, lstm"),
        (lambda m: Seq2Seq(5, 5, hidden_dim=7), "hidden_dim: expected an even number"),
        (
            lambda m: Decoder(5, attention="bahdanau", input_feeding=True),
            "input_feeding: expected False with 'bahdanau'",
        ),
        (lambda m: Decoder(5, memory_dim=8, attention="dot"), "key_dim: expected 64"),
        (lambda m: Decoder(5, attention="local-m", window=0), "window: expected"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(translator(attention="additive"))


def test_a_list_is_no_source():
    with pytest.raises(TypeError, match="source: expected a tensor, got list"):
        translator().encoder([[4]], GOOD > 0)


X, MASK = torch.randn(2, 3, 4), torch.ones(2, 3, 3, dtype=torch.bool)


@pytest.mark.parametrize("make", [GlobalAttention, LocalMonotonic, LocalPredictive])
@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ((X, X, X), {"mask": MASK.float()}, "mask: expected dtype torch.bool"),
        ((X, X, X), {"mask": MASK[:, :2]}, r"mask: .*broadcasts to \(2, 3, 3\)"),
        ((X[..., :3], X, X), {}, r"query: expected last dimension 4 \(query_dim\)"),
        ((X.double(), X.double(), X.double()), {}, "query: .*float32 as in weights"),
        ((X.long(), X, X), {}, "query: expected a floating-point dtype"),
        ((X, X[:1].repeat(3, 1, 1), X), {}, r"key: .*broadcast.*got \(3,\)"),
    ],
)
def test_attention_names_bad_input(make, inputs, options, message):
    with pytest.raises(ValueError, match=message):
        make(4, 4)(*inputs, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RNNKeys(48, 63), "key_dim: expected an even number, got 63"),
        (lambda: TransformerKeys(hidden_dim=30), "hidden_dim: expected .* got 30"),
        (lambda: CaptionDecoder(9, 4, embed_dim=0), "embed_dim: expected a value abo"),
    ],
)
def test_widths_are_checked_when_a_part_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()
