"""Layers and models against PyTorch's, caches against none, and decoding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attnkit.data import BOS
from attnkit.search import beam_decode, greedy_decode
from attnkit.transformer import (
    POSITIONS,
    Cache,
    CaptionTransformer,
    DecoderLayer,
    EncoderLayer,
    LanguageModel,
    MultiHeadAttention,
    Transformer,
    generate,
)

every_position = pytest.mark.parametrize("position", POSITIONS)
both_norms = pytest.mark.parametrize("norm_first", [True, False])


def redrawn(module: nn.Module, seed: int = 0) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.double().parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) * 0.5)
    return module.eval()


def tokens(*shape: int, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def ids(*shape: int, size: int = 9, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(4, size, shape, generator=draw)


def copy_heads(peer: nn.MultiheadAttention, mine: MultiHeadAttention) -> None:
    parts = (mine.query_proj, mine.key_proj, mine.value_proj)
    peer.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    peer.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    peer.out_proj.load_state_dict(mine.output_proj.state_dict())


@torch.no_grad()
def copied(mine: EncoderLayer | DecoderLayer, cross: bool, **options) -> nn.Module:
    """PyTorch's layer with the same weights."""
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    peer = kind(12, 3, 20, dropout=0.0, batch_first=True, **options).double().eval()
    norms = [mine.attention_norm, mine.feed_forward_norm]
    copy_heads(peer.self_attn, mine.attention)
    if cross:
        copy_heads(peer.multihead_attn, mine.cross_attention)
        norms.insert(1, mine.cross_norm)
    peer.linear1.load_state_dict(mine.feed_forward.inner.state_dict())
    peer.linear2.load_state_dict(mine.feed_forward.outer.state_dict())
    for i, norm in enumerate(norms, 1):
        getattr(peer, f"norm{i}").load_state_dict(norm.state_dict())
    return peer


@both_norms
def test_encoder_layer_equals_pytorch(norm_first: bool) -> None:
    mine = redrawn(EncoderLayer(12, 3, ff_dim=20, norm_first=norm_first))
    peer = copied(mine, False, norm_first=norm_first)
    x, mask = tokens(2, 5, 12), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    output, weights = mine(x, mask=mask[:, None])
    torch.testing.assert_close(output[mask], peer(x, src_key_padding_mask=~mask)[mask])
    assert weights is None


@both_norms
def test_decoder_layer_equals_pytorch(norm_first: bool) -> None:
    mine = redrawn(DecoderLayer(12, 3, ff_dim=20, norm_first=norm_first))
    peer = copied(mine, True, norm_first=norm_first)
    x, memory = tokens(2, 5, 12), tokens(2, 7, 12, seed=2)
    past = torch.ones(5, 5, dtype=torch.bool).triu(1)
    source = mine.cross_attention.project(memory)
    output = mine(x, source, need_weights=True)
    torch.testing.assert_close(output.tokens, peer(x, memory, tgt_mask=past))
    assert output.cross_weights.shape == (2, 3, 5, 7)


@every_position
def test_translator_steps_equal_the_whole(position: str) -> None:
    model = redrawn(
        Transformer(9, 9, embed_dim=12, num_heads=3, position=position, max_len=8)
    )
    source, target = ids(2, 6), ids(2, 5, seed=2)
    source[1, 4:] = 0
    target[:, 0] = BOS
    logits, weights = model(source, target, need_weights=True)
    state, memory = model.encode(source)
    for t in range(5):
        step, state, looked = model.step(target[:, t], state, memory)
        torch.testing.assert_close(step, logits[:, t])
        torch.testing.assert_close(looked, weights[:, t])
    assert state.size == 5
    assert not weights[1, :, 4:].any()


def test_padding_of_the_source_changes_nothing() -> None:
    model = redrawn(Transformer(9, 9, embed_dim=12, num_heads=3))
    source, target = ids(1, 4), ids(1, 3, seed=2)
    longer = torch.cat([source, torch.zeros(1, 3, dtype=torch.long)], 1)
    torch.testing.assert_close(model(longer, target), model(source, target))


@every_position
def test_a_language_model_never_sees_the_future(position: str) -> None:
    model = redrawn(
        LanguageModel(9, embed_dim=12, num_heads=3, position=position, max_len=8)
    )
    text = ids(1, 7)
    before = model(text)
    text[:, 4:] = ids(1, 3, seed=5)
    after = model(text)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize("groups", [None, 1])
@every_position
def test_writing_with_a_cache_equals_writing_without(
    position: str, groups: int | None
) -> None:
    model = redrawn(
        LanguageModel(
            9, embed_dim=12, num_heads=3, position=position, num_kv_heads=groups
        )
    )
    prompt = ids(2, 3)
    fast = generate(model, prompt, steps=6)
    assert torch.equal(fast, generate(model, prompt, steps=6, cache=False))
    assert torch.equal(fast[:, :3], prompt)
    state = None
    parts = []
    for part in fast.split(4, 1):
        logits, state = model.step(part, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), model(fast))


def test_drawn_symbols_follow_the_probabilities() -> None:
    model = redrawn(LanguageModel(9, embed_dim=12, num_heads=3))
    prompt = ids(1, 3).expand(4000, 3)
    draw = torch.Generator().manual_seed(1)
    told = generate(model, prompt, steps=1, temperature=2.0, generator=draw)[:, -1]
    share = torch.bincount(told, minlength=9) / len(told)
    chances = (model(prompt[:1])[0, -1] / 2).softmax(-1)
    assert (share - chances).abs().max() < 0.04


def test_search_decodes_a_transformer() -> None:
    model = redrawn(Transformer(9, 9, embed_dim=12, num_heads=3))
    source = ids(3, 5)
    greedy = greedy_decode(model, source, max_steps=6)
    narrow = beam_decode(model, source, max_steps=6, beam_size=1)
    assert torch.equal(greedy.tokens, narrow.tokens)
    wide = beam_decode(model, source, max_steps=6, beam_size=81)
    assert (wide.log_prob >= greedy.log_prob - 1e-9).all()


def test_output_layer_is_the_embedding() -> None:
    model = Transformer(9, 7, embed_dim=12, num_heads=3)
    names = [n for n, w in model.named_parameters() if w.shape == (7, 12)]
    assert names == ["target_embedding.table"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m(torch.tensor([[9]]), torch.tensor([[1]])), "0 to 8, got 9 to 9"),
        (lambda m: m(torch.ones(1, 2), torch.tensor([[1]])), "ids: expected whole"),
        (lambda m: m(ids(1, 2), ids(1, 2), torch.ones(2, 1).bool()), "source_mask"),
        (lambda m: m(ids(1, 9), ids(1, 2)), "larger max_len"),
    ],
)
def test_bad_input_of_a_translator(call, words: str) -> None:
    model = Transformer(9, 9, embed_dim=12, num_heads=3, position="learned", max_len=8)
    with pytest.raises(ValueError, match=words):
        call(model)


def test_bad_input_of_a_language_model() -> None:
    model = LanguageModel(9, embed_dim=12, num_heads=3).eval()
    _, cache = model.step(ids(2, 3))
    with pytest.raises(ValueError, match="start a new cache for another batch"):
        model.step(ids(1, 1), cache)
    with pytest.raises(TypeError, match="cache: expected the Cache of the step before"):
        model.step(ids(1, 1), (1, 2))
    with pytest.raises(TypeError, match=r"model: expected a LanguageModel .*, got Lin"):
        generate(torch.nn.Linear(2, 2), ids(1, 2), steps=1)
    with pytest.raises(ValueError, match="N from 1"):
        generate(model, ids(1, 0), steps=2)
    with pytest.raises(ValueError, match="temperature"):
        generate(model, ids(1, 2), steps=2, temperature=-1.0)
    with pytest.raises(ValueError, match="steps"):
        generate(model, ids(1, 2), steps=-1)
    assert Cache(()).size == 0


def a_translator(layers: int = 2) -> tuple:
    model = Transformer(9, 9, embed_dim=12, num_heads=3, num_layers=layers).eval()
    return model, model.encode


def a_captioner(layers: int = 2) -> tuple:
    model = CaptionTransformer(9, 12, embed_dim=12, num_heads=3, num_layers=layers)
    return model.eval(), lambda ids: model.encode(torch.ones(*ids.shape, 12))


STATES = {
    "a cache of another batch": lambda new, old: (old[1], new[2]),
    "a memory of another batch": lambda new, old: (new[1], old[2]),
    "a mask of another batch": lambda new, old: (
        new[1],
        new[2]._replace(mask=old[2].mask),
    ),
    "a cache of fewer layers": lambda new, old: (Cache(new[1].layers[:1]), new[2]),
    "a cache of more layers": lambda new, old: (Cache(new[1].layers * 2), new[2]),
    "a memory of fewer layers": lambda new, old: (
        new[1],
        new[2]._replace(layers=new[2].layers[:1]),
    ),
    "a memory of more layers": lambda new, old: (
        new[1],
        new[2]._replace(layers=new[2].layers * 2),
    ),
}


@pytest.mark.parametrize("make", (a_translator, a_captioner))
@pytest.mark.parametrize("name", STATES)
def test_a_step_refuses_what_is_of_another_batch_or_model(name, make) -> None:
    """Without this a mask of one sample served all, and more layers were left out."""
    model, encode = make()
    made = {}
    for rows in (2, 1):
        cache, memory = encode(ids(rows, 4))
        made[rows] = (*model.step(ids(rows, 1)[:, 0], cache, memory)[:2], memory)
    cache, memory = STATES[name](made[2], made[1])
    part = "cache" if "cache" in name else "memory"
    count = (
        "2 samples .*got 1; call encode" if "batch" in name else "2 layers, got [14]"
    )
    with pytest.raises(ValueError, match=f"{part}: expected {count}"):
        model.step(ids(2, 1)[:, 0], cache, memory)


@pytest.mark.parametrize("make", (a_translator, a_captioner))
def test_a_step_takes_one_symbol_of_each_sample(make) -> None:
    model, encode = make()
    cache, memory = encode(ids(2, 4))
    with pytest.raises(ValueError, match=r"token: expected whole numbers of shape \(b"):
        model.step(ids(2, 1), cache, memory)
    with pytest.raises(ValueError, match="memory: expected 1 samples"):
        model.step(ids(1, 1)[:, 0], cache, memory)


def test_a_layer_without_a_source_takes_none() -> None:
    layer, x = DecoderLayer(8, 2, cross=False), torch.ones(1, 2, 8)
    with pytest.raises(ValueError, match="source: expected None in a layer with cross"):
        layer(x, layer.attention.project(x))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m([[1]], ids(1, 1)), "source: expected a tensor, got list"),
        (lambda m: m(ids(1, 1), ids(1, 1), [[True]]), "source_mask: expected a tensor"),
        (lambda m: generate(m, [[1]], steps=1), "prompt: expected a tensor, got list"),
    ],
)
def test_lists_are_no_tensors(call, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call(a_translator()[0])
