"""Translators: padding, batches and the way of computing leave no trace."""

import pytest
import torch
from torch import Tensor, nn

from attnkit.data import BOS, PAD
from attnkit.rnn import Encoder, LocalPredictive, Seq2Seq

SOURCE, TARGET = 11, 13
SETTINGS = [
    {"attention": name, "cell": cell, "input_feeding": feed}
    for name in ("additive", "dot", "general", "concat", "local-m", "local-p", None)
    for cell, feed in (("gru", False), ("lstm", True))
] + [{"attention": "bahdanau", "cell": cell} for cell in ("gru", "lstm")]
every_setting = pytest.mark.parametrize(
    "settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values()))
)


def translator(**settings) -> Seq2Seq:
    """A float64 model with every weight redrawn: no number is zero by luck."""
    torch.manual_seed(1)
    model = Seq2Seq(
        SOURCE, TARGET, embed_dim=4, hidden_dim=6, window=3, **settings
    ).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.6)
    return model.eval()


def texts(*lengths: int, size: int = SOURCE) -> list[Tensor]:
    draw = torch.Generator().manual_seed(3)
    return [torch.randint(4, size, (n,), generator=draw) for n in lengths]


def together(rows: list[Tensor], extra: int = 0) -> Tensor:
    """Rows as one batch, with `extra` places of padding behind the longest."""
    batch = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
    return nn.functional.pad(batch, (0, extra), value=PAD)


def targets(rows: int, length: int) -> Tensor:
    draw = torch.Generator().manual_seed(4)
    return torch.randint(4, TARGET, (rows, length), generator=draw)


@every_setting
def test_padding_and_company_leave_no_trace(settings):
    model, rows = translator(**settings), texts(7, 1, 4)
    target = targets(3, 5)
    state, memory = model.encode(together(rows, extra=4))
    logits, _, weights = model.decoder(target, state, memory)
    for b, row in enumerate(rows):
        state, memory = model.encode(row[None])
        alone, _, own = model.decoder(target[b : b + 1], state, memory)
        torch.testing.assert_close(logits[b : b + 1], alone)
        torch.testing.assert_close(weights[b : b + 1, :, : len(row)], own)
        assert not weights[b, :, len(row) :].any()


@every_setting
def test_step_by_step_equals_the_whole_target(settings):
    model = translator(**settings)
    source, target = together(texts(6, 3)), targets(2, 7)
    state, memory = model.encode(source)
    logits, last, weights = model.decoder(target, state, memory)
    for t in range(target.shape[1]):
        out, state, row = model.step(target[:, t], state, memory)
        torch.testing.assert_close(out, logits[:, t])
        torch.testing.assert_close(row, weights[:, t])
    for one, two in zip(state, last, strict=True):
        assert (one is None and two is None) or torch.allclose(
            one.double(), two.double()
        )
    assert state.step.tolist() == [7, 7]


@every_setting
def test_a_target_cut_in_two_goes_on_from_the_state(settings):
    model = translator(**settings)
    source, target = together(texts(6, 3)), targets(2, 7)
    state, memory = model.encode(source)
    whole = model.decoder(target, state, memory)[0]
    first, middle, _ = model.decoder(target[:, :4], state, memory)
    second = model.decoder(target[:, 4:], middle, memory)[0]
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


@every_setting
def test_no_symbol_sees_a_later_one(settings):
    model = translator(**settings)
    source, target = together(texts(6, 3)), targets(2, 6)
    before = model(source, target)
    target[:, 3:] = (target[:, 3:] + 1) % TARGET
    after = model(source, target)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert (after[:, 3:] - before[:, 3:]).abs().amin(-1).gt(0).all()


@every_setting
def test_every_weight_is_reached_by_a_gradient(settings):
    model = translator(**settings)
    model(together(texts(6, 3)), targets(2, 5)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.parameters())


@every_setting
def test_neither_state_nor_memory_is_changed_by_a_step(settings):
    model = translator(**settings)
    state, memory = model.encode(together(texts(6, 3)))
    kept = [part.clone() for part in (*state, *memory) if part is not None]
    one = model.step(torch.tensor([BOS, BOS]), state, memory)[0]
    two = model.step(torch.tensor([BOS, BOS]), state, memory)[0]
    now = [part for part in (*state, *memory) if part is not None]
    assert torch.equal(one, two)
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_encoder_equals_a_loop_over_unpadded_sources(cell):
    torch.manual_seed(2)
    encoder = Encoder(SOURCE, 4, 6, cell=cell).double()
    rows = texts(5, 2, 7)
    source = together(rows)
    memory = encoder(source, source != PAD)
    for b, row in enumerate(rows):
        values, last = encoder.rnn(encoder.embed(row[None]))
        last = last[0] if cell == "lstm" else last
        torch.testing.assert_close(memory.values[b, : len(row)], values[0])
        torch.testing.assert_close(memory.summary[b], last.flatten())
        assert not memory.values[b, len(row) :].any()


def test_bahdanau_equals_the_equations_of_the_paper():
    model = translator(attention="bahdanau")
    decoder, score = model.decoder, model.decoder.attention.score
    cell = nn.GRUCell(decoder.rnn.input_size, 6).double()
    for name, weight in cell.named_parameters():
        weight.data = getattr(decoder.rnn, f"{name}_l0").data
    source, target = together(texts(5)), targets(1, 4)
    start, memory = model.encode(source)
    state = start.hidden[0]
    for t, logits in enumerate(model(source, target)[0]):
        energy = torch.stack(
            [
                score.v @ torch.tanh(score.query_weight @ state + score.key_weight @ h)
                for h in memory.values[0]
            ]
        )
        context = energy.softmax(0) @ memory.values[0]
        read = torch.cat([decoder.embed.weight[target[0, t]], context])
        state = cell(read[None], state[None])[0]
        out = torch.tanh(decoder.combine(torch.cat([context, state])))
        torch.testing.assert_close(logits, decoder.output(out))


def test_without_attention_only_the_summary_counts():
    model = translator(attention=None)
    state, memory = model.encode(together(texts(6)))
    other = memory._replace(values=torch.randn_like(memory.values))
    one = model.decoder(targets(1, 4), state, memory)[0]
    assert torch.equal(one, model.decoder(targets(1, 4), state, other)[0])


def test_forced_weights_replace_the_own_ones():
    model = translator(attention="general")
    state, memory = model.encode(together(texts(5)))
    row = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    logits, after, used = model.step(torch.tensor([BOS]), state, memory, row)
    both = torch.cat([memory.values[:, 2], after.hidden], -1)
    wanted = model.decoder.output(torch.tanh(model.decoder.combine(both)))
    assert torch.equal(used, row)
    torch.testing.assert_close(logits, wanted)


def test_local_m_looks_around_the_number_of_its_step():
    model = translator(attention="local-m")
    _, weights = model(together(texts(9)), targets(1, 12), need_weights=True)
    step, place = torch.arange(12)[:, None], torch.arange(9)
    assert torch.equal(weights[0] > 0, (place - step).abs() <= 3)


def half_way(dtype: torch.dtype, size: int) -> Tensor:
    """Weights of local-p that predicts the middle, over `size` alike places."""
    attention = LocalPredictive(4, 4, window=3).to(dtype)
    nn.init.zeros_(attention.place.weight)
    query, key = torch.zeros(1, 1, 4, dtype=dtype), torch.ones(1, size, 4, dtype=dtype)
    return attention(query, key, key, need_weights=True)[1][0, 0]


@pytest.mark.parametrize("size", [20, 700, 5000])
def test_local_p_knows_far_places_apart_in_bfloat16(size):
    exact, rough = half_way(torch.float64, size), half_way(torch.bfloat16, size)
    assert exact.nonzero()[:, 0].tolist() == list(range(size // 2 - 4, size // 2 + 3))
    torch.testing.assert_close(rough.double(), exact, rtol=0.02, atol=0)


def test_local_p_counts_the_source_under_any_mask():
    attention = LocalPredictive(4, 4, window=2)
    query, key = torch.randn(2, 3, 4), torch.randn(2, 9, 4)
    mask = torch.ones(2, 3, 9, dtype=torch.bool)
    expected = attention(query, key, key, mask=mask)
    for narrow in (mask[:, :1], mask[..., :1], mask[0, 0, 0], None):
        torch.testing.assert_close(attention(query, key, key, mask=narrow), expected)


def test_dropout_acts_in_training_only():
    model = translator(attention="dot", dropout=0.5)
    source, target = together(texts(6)), targets(1, 4)
    assert torch.equal(model(source, target), model(source, target))
    model.train()
    assert not torch.equal(model(source, target), model(source, target))


def test_autocast_stays_near():
    model = translator(attention="additive").float()
    source, target = together(texts(6, 3)), targets(2, 5)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(source, target)
    torch.testing.assert_close(
        rough.float(), model(source, target), rtol=0.05, atol=0.1
    )
