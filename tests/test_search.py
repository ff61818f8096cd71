"""Greedy and beam search against each other and against trying everything."""

import itertools

import pytest
import torch

from attnkit.data import BOS, EOS, PAD
from attnkit.rnn import Seq2Seq, beam_decode, greedy_decode

TARGET = 6  # padding, begin, end, unknown and two more: four can be written


def translator(seed: int, attention: str | None = "additive", **settings) -> Seq2Seq:
    torch.manual_seed(seed)
    model = Seq2Seq(
        9, TARGET, embed_dim=4, hidden_dim=6, attention=attention, **settings
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.9)
    return model.eval()


def sources(rows: int = 5) -> torch.Tensor:
    draw = torch.Generator().manual_seed(5)
    source = torch.randint(4, 9, (rows, 6), generator=draw)
    source[torch.arange(6) >= torch.randint(1, 7, (rows, 1), generator=draw)] = PAD
    return source


def score(model: Seq2Seq, source: torch.Tensor, tokens: list[int]) -> float:
    """Log-probability of tokens by teacher forcing."""
    target = torch.tensor([[BOS, *tokens[:-1]]])
    with torch.no_grad():
        logs = model(source[None], target)[0].log_softmax(-1)
    return logs[range(len(tokens)), tokens].sum().item()


def everything(steps: int):
    """All outputs: ended within `steps` symbols, or `steps` long without an end."""
    going = [t for t in range(TARGET) if t not in (PAD, BOS, EOS)]
    for n in range(steps):
        for start in itertools.product(going, repeat=n):
            yield [*start, EOS]
    yield from map(list, itertools.product(going, repeat=steps))


def plain(tokens: torch.Tensor) -> list[int]:
    return [t for t in tokens.tolist() if t != PAD]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_outputs(penalty):
    for seed in (1, 2, 3):
        model, source = translator(seed), sources(3)
        found = beam_decode(
            model, source, max_steps=4, beam_size=200, length_penalty=penalty
        )
        for b in range(3):
            best = max(
                everything(4),
                key=lambda y: score(model, source[b], y) / len(y) ** penalty,
            )
            assert plain(found.tokens[b]) == best


@pytest.mark.parametrize("attention", ["additive", "local-m", None])
def test_log_prob_is_that_of_teacher_forcing(attention):
    model, source = translator(3, attention), sources()
    for found in (
        greedy_decode(model, source, max_steps=7),
        beam_decode(model, source, max_steps=7, beam_size=3),
    ):
        for b in range(len(source)):
            expected = score(model, source[b], plain(found.tokens[b]))
            assert found.log_prob[b].item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{}, {"attention": "dot", "input_feeding": True, "cell": "lstm"}],
)
def test_a_beam_of_one_is_greedy(settings):
    for seed in range(6):
        model, source = translator(seed, **settings), sources()
        one = greedy_decode(model, source, max_steps=8)
        two = beam_decode(model, source, max_steps=8, beam_size=1)
        assert torch.equal(one.tokens, two.tokens)
        torch.testing.assert_close(one.weights, two.weights)
        torch.testing.assert_close(one.log_prob, two.log_prob)


def test_a_beam_is_rarely_worse_than_greedy_and_often_better():
    gains = []
    for seed in range(12):
        model, source = translator(seed), sources(8)
        greedy = greedy_decode(model, source, max_steps=6).log_prob
        beam = beam_decode(model, source, max_steps=6, beam_size=4).log_prob
        gains.append(beam - greedy)
    gain = torch.cat(gains)
    assert (gain > -1e-4).float().mean() > 0.98
    assert (gain > 1e-4).float().mean() > 0.1


def test_a_wider_beam_with_all_outputs_in_it_is_never_worse():
    model, source = translator(4), sources()
    narrow = greedy_decode(model, source, max_steps=4).log_prob
    wide = beam_decode(model, source, max_steps=4, beam_size=200).log_prob
    assert (wide >= narrow - 1e-5).all()


def test_batches_do_not_mix():
    model, source = translator(7), sources()
    for decode in (greedy_decode, beam_decode):
        many = decode(model, source, max_steps=6)
        for b, row in enumerate(source):
            one = decode(model, row[row != PAD][None], max_steps=6)
            assert plain(one.tokens[0]) == plain(many.tokens[b])
            assert one.log_prob[0].item() == pytest.approx(many.log_prob[b].item())
            size = one.weights.shape
            torch.testing.assert_close(
                one.weights[0], many.weights[b, : size[1], : size[2]]
            )


def test_nothing_is_written_or_looked_at_after_the_end():
    model = translator(8)
    with torch.no_grad():
        model.decoder.output.bias[EOS] += 0.8
    found = greedy_decode(model, sources(20), max_steps=9)
    ends = (found.tokens == EOS).int()
    after = ends.cumsum(1) - ends > 0
    assert after.any() and not found.tokens[after].any()
    assert not found.weights[after].any()
    sums = found.weights.sum(-1)[~after]
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("decode", [greedy_decode, beam_decode])
def test_bad_input_is_named(decode):
    with pytest.raises(ValueError, match="max_steps: expected at least 1, got 0"):
        decode(translator(1), sources(), max_steps=0)
    with pytest.raises(ValueError, match="source: expected at least one symbol"):
        decode(translator(1), sources() * 0, max_steps=3)
    with pytest.raises(ValueError, match="beam_size: expected at least 1, got 0"):
        beam_decode(translator(1), sources(), max_steps=3, beam_size=0)
    for penalty in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="length_penalty: expected a finite numb"):
            beam_decode(translator(1), sources(), max_steps=3, length_penalty=penalty)
    with pytest.raises(TypeError, match="max_steps: expected type int, got float"):
        decode(translator(1), sources(), max_steps=2.5)


@pytest.mark.parametrize("decode", [greedy_decode, beam_decode])
def test_a_model_that_gives_no_numbers_is_named(decode):
    model = translator(1)
    with torch.no_grad():
        model.decoder.output.bias[4] = torch.nan
    with pytest.raises(ValueError, match="model: expected finite logits, got NaN"):
        decode(model, sources(), max_steps=3)


def test_weights_are_of_the_dtype_of_the_model():
    model = translator(2).double()
    one = greedy_decode(model, sources(), max_steps=4)
    two = beam_decode(model, sources(), max_steps=4, beam_size=1)
    assert one.weights.dtype == two.weights.dtype == torch.float64
    torch.testing.assert_close(one.weights, two.weights, rtol=0, atol=1e-15)
