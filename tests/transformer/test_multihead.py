"""Heads against PyTorch's, masks, caches, positions: weight for weight."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attnkit.transformer import (
    Alibi,
    KeyValue,
    LanguageModel,
    MultiHeadAttention,
    Rotary,
    Shaw,
    TransformerXL,
)

D, H = 12, 3
POSITIONS = {
    "none": lambda: None,
    "rotary": lambda: Rotary(D // H),
    "alibi": lambda: Alibi(H),
    "shaw": lambda: Shaw(D // H, 2),
    "transformer_xl": lambda: TransformerXL(D, H),
}
every_position = pytest.mark.parametrize("name", POSITIONS)


def redrawn(module: nn.Module, seed: int = 0) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.double().parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw))
    return module.eval()


def heads(position: str = "none", **options: int) -> MultiHeadAttention:
    return redrawn(MultiHeadAttention(D, H, position=POSITIONS[position](), **options))


def tokens(*shape: int, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def copied(mine: MultiHeadAttention, **options: int) -> nn.MultiheadAttention:
    """PyTorch's module with the same weights."""
    peer = nn.MultiheadAttention(D, H, batch_first=True, **options).double().eval()
    parts = (mine.query_proj, mine.key_proj, mine.value_proj)
    with torch.no_grad():
        if peer.in_proj_weight is None:
            names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
            for name, part in zip(names, parts, strict=True):
                getattr(peer, name).copy_(part.weight)
        else:
            peer.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        peer.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        peer.out_proj.load_state_dict(mine.output_proj.state_dict())
    return peer


@pytest.mark.parametrize("widths", [{}, {"kdim": 7, "vdim": 5}], ids=["same", "other"])
@pytest.mark.parametrize("masked", ["no", "boolean", "float"])
def test_equals_pytorch_weight_for_weight(widths: dict, masked: str) -> None:
    mine = heads(**widths)
    peer = copied(mine, **widths)
    x = tokens(2, 5, D)
    key = tokens(2, 7, widths.get("kdim", D), seed=2)
    value = tokens(2, 7, widths.get("vdim", D), seed=3)
    mask = other = None
    if masked == "boolean":
        mask = tokens(2, 5, 7, seed=4) > -0.5
        mask[..., 0] = True
        other = ~mask.repeat_interleave(H, 0)
    elif masked == "float":
        mask = tokens(2, 5, 7, seed=4)
        other = mask.repeat_interleave(H, 0)
    output, weights = mine(x, key, value, mask=mask, need_weights=True)
    theirs, maps = peer(x, key, value, attn_mask=other, average_attn_weights=False)
    torch.testing.assert_close(output, theirs)
    torch.testing.assert_close(weights, maps)
    torch.testing.assert_close(mine(x, key, value, mask=mask), theirs)


@every_position
@pytest.mark.parametrize("causal", [False, True])
def test_fused_and_open_ways_agree(name: str, causal: bool) -> None:
    x, mine = tokens(2, 6, D), heads(name)
    mask = torch.ones(2, 1, 6, dtype=torch.bool)
    mask[1, :, 4:] = False
    fused = mine(x, mask=mask, causal=causal)
    output, weights = mine(x, mask=mask, causal=causal, need_weights=True)
    torch.testing.assert_close(fused, output)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, H, 6).double())
    assert not weights[1, ..., 4:].any()
    if causal:
        assert not weights.triu(1).any()


@every_position
def test_a_cache_gives_what_the_whole_gives(name: str) -> None:
    x, mine = tokens(2, 6, D), heads(name)
    whole = mine(x, causal=True)
    past = mine.project(x[:, :2])
    parts = [mine.read(x[:, :2], past, causal=True)]
    for t in range(2, 6):
        past = past.append(mine.project(x[:, t : t + 1], start=t))
        parts.append(mine.read(x[:, t : t + 1], past, causal=True))
    torch.testing.assert_close(torch.cat(parts, 1), whole)


@every_position
def test_the_future_changes_nothing(name: str) -> None:
    x, mine = tokens(1, 6, D), heads(name)
    before = mine(x, causal=True)
    x[:, 4:] = 100.0
    after = mine(x, causal=True)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_without_a_position_shuffled_tokens_give_shuffled_output() -> None:
    x, order, mine = tokens(1, 6, D), torch.tensor([3, 1, 5, 0, 2, 4]), heads()
    torch.testing.assert_close(mine(x[:, order]), mine(x)[:, order])
    for name in ("rotary", "alibi", "shaw", "transformer_xl"):
        mine = heads(name)
        assert not torch.allclose(mine(x[:, order]), mine(x)[:, order])


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_heads_equal_heads_that_were_copied(groups: int) -> None:
    few = redrawn(MultiHeadAttention(16, 4, num_kv_heads=groups))
    many = redrawn(MultiHeadAttention(16, 4))
    state = few.state_dict()
    for name in ("key_proj", "value_proj"):
        for kind in ("weight", "bias"):
            part = state[f"{name}.{kind}"].unflatten(0, (groups, 4))
            wide = part.repeat_interleave(4 // groups, 0)
            state[f"{name}.{kind}"] = wide.flatten(0, 1)
    many.load_state_dict(state)
    x = tokens(2, 5, 16)
    torch.testing.assert_close(few(x), many(x))
    assert few.project(x).key.shape == (2, groups, 5, 4)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("kind", ["boolean", "float"])
def test_nothing_to_attend_to_gives_the_last_bias(
    need_weights: bool, kind: str
) -> None:
    mine, x = heads(), tokens(1, 4, D).requires_grad_()
    mask = torch.ones(1, 4, 4, dtype=torch.bool)
    mask[0, 2] = False
    if kind == "float":
        mask = torch.zeros(1, 4, 4).masked_fill(~mask, -torch.inf)
    output = mine(x, mask=mask, need_weights=need_weights)
    output = output[0] if need_weights else output
    torch.testing.assert_close(output[0, 2], mine.output_proj.bias)
    output.sum().backward()
    assert x.grad.isfinite().all()


def test_dropout_acts_in_training_alone() -> None:
    mine, x = redrawn(MultiHeadAttention(D, H, dropout=0.5)), tokens(1, 6, D)
    assert torch.equal(mine(x), mine(x))
    mine.train()
    assert not torch.allclose(mine(x), mine(x))


def test_select_takes_samples_of_a_cache() -> None:
    mine, x = heads(), tokens(3, 4, D)
    rows = torch.tensor([2, 0, 2])
    past = mine.project(x).select(rows)
    torch.testing.assert_close(mine.read(x[rows], past), mine(x)[rows])


@pytest.mark.parametrize("name", ["none", "rotary", "shaw", "transformer_xl"])
def test_export_and_compile_agree(name: str) -> None:
    mine, x = heads(name), tokens(2, 5, D)
    exported = torch.export.export(mine, (x,), {"causal": True}).module()
    torch.testing.assert_close(exported(x, causal=True), mine(x, causal=True))


# ---- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((12, 5), r"num_heads: expected a divisor of embed_dim 12 \(1, 2, 3.*got 5"),
        ((12, 0), "num_heads: expected a value above 0"),
        ((12, 4, 3), "num_kv_heads: expected a divisor of num_heads 4, got 3"),
    ],
)
def test_heads_that_do_not_divide_are_refused(sizes: tuple, words: str) -> None:
    dim, count, *groups = sizes
    with pytest.raises(ValueError, match=words):
        MultiHeadAttention(dim, count, num_kv_heads=groups[0] if groups else None)


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (torch.ones(2, 5, 6, dtype=torch.bool), ValueError, "got .2, 5, 6."),
        (
            torch.ones(5, dtype=torch.int),
            ValueError,
            r"mask: expected dtype torch.bool",
        ),
        (torch.ones(2, 1, 1, 5, 5).bool(), ValueError, r"mask: expected a shape"),
        ([True], TypeError, "mask: expected a tensor, got list"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        heads()(tokens(2, 5, D), mask=mask)


def test_widths_caches_and_queries_that_do_not_fit_are_refused() -> None:
    mine = heads()
    with pytest.raises(ValueError, match="query: expected last dimension 12"):
        mine.read(tokens(1, 2, 7), mine.project(tokens(1, 2, D)))
    with pytest.raises(ValueError, match="key: expected last dimension 12"):
        mine(tokens(1, 2, D), tokens(1, 2, 7))
    with pytest.raises(ValueError, match="start a new cache for another batch"):
        mine.project(tokens(2, 3, D)).append(mine.project(tokens(1, 1, D)))
    with pytest.raises(ValueError, match="at most 2 queries"):
        mine.read(tokens(1, 3, D), mine.project(tokens(1, 2, D)), causal=True)
    assert isinstance(mine.project(tokens(1, 0, D)), KeyValue)


@pytest.mark.parametrize("need_weights", (False, True))
@pytest.mark.parametrize("rows", (1, 6))
def test_keys_and_values_must_pair(need_weights: bool, rows: int) -> None:
    attention, query = MultiHeadAttention(8, 2), torch.randn(1, 4, 8)
    value = torch.randn(1, rows, 8)
    with pytest.raises(ValueError, match=r"value: expected 1 × 2 rows as in key, got"):
        attention(query, query[:, :2], value, need_weights=need_weights)
    memory = attention.project(query)
    broken = memory._replace(value=memory.value[:, :, :2])
    for call in (lambda: attention.read(query, broken), lambda: broken.append(memory)):
        with pytest.raises(ValueError, match="memory: expected a value for each key"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kdim": 0}, "kdim: expected a value above 0, got 0"),
        ({"vdim": -1}, "vdim: expected a value above 0, got -1"),
        ({"dropout": 1.5}, "dropout: expected 0 or more and less than 1, got 1.5"),
        ({"position": Alibi(1)}, "position: expected Alibi with num_heads 2, got 1"),
        ({"position": Rotary(8)}, "position: expected Rotary with head_dim 4, got 8"),
        ({"position": Shaw(2)}, "position: expected Shaw with head_dim 4, got 2"),
    ],
)
def test_settings_that_do_not_fit_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(8, 2, **options)


def test_a_position_must_be_one() -> None:
    with pytest.raises(TypeError, match="position: expected a ScorePosition or None"):
        MultiHeadAttention(8, 2, position="rotary")


def test_positions_need_a_key_for_each_query() -> None:
    attention = MultiHeadAttention(8, 2, position=Rotary(4))
    with pytest.raises(ValueError, match="query: expected at most 2 queries"):
        attention(torch.randn(1, 3, 8), torch.randn(1, 2, 8))


def test_a_mask_of_nan_is_nan_with_weights_and_without() -> None:
    attention, query = MultiHeadAttention(8, 2), torch.randn(1, 3, 8)
    mask = torch.zeros(3, 3)
    mask[0, 0] = torch.nan
    for need in (False, True):
        output = attention(query, mask=mask, need_weights=need)
        assert (output[0] if need else output)[0, 0].isnan().all()


def test_a_cache_of_another_model_is_refused() -> None:
    ids = torch.zeros(1, 2, dtype=torch.long)
    _, cache = LanguageModel(5, num_layers=2).step(ids)
    with pytest.raises(ValueError, match="cache: expected 1 layers, got 2"):
        LanguageModel(5, num_layers=1).step(ids, cache)


OTHER_HEADS = {
    "more heads": lambda x: MultiHeadAttention(D, 2 * H).double().project(x),
    "one head for all": lambda x: heads(num_kv_heads=1).project(x),
    "wider heads": lambda x: KeyValue(*tokens(2, 1, H, 5, 2 * D // H)),
    "wider values": lambda x: KeyValue(tokens(1, H, 5, D // H), tokens(1, H, 5, 1)),
}


@pytest.mark.parametrize("need_weights", (False, True))
@pytest.mark.parametrize("name", OTHER_HEADS)
def test_a_memory_of_other_heads_is_refused(name: str, need_weights: bool) -> None:
    x = tokens(1, 5, D)
    words = (
        r"memory: expected heads \(B, G, M, d\) with G, d = 3, 4, got .*project anew"
    )
    with pytest.raises(ValueError, match=words):
        heads().read(x, OTHER_HEADS[name](x), need_weights=need_weights)


def test_a_memory_is_one_of_this_batch_and_split_into_heads() -> None:
    mine, x = heads(), tokens(2, 5, D)
    with pytest.raises(ValueError, match="2 samples as in query, got 1; project the"):
        mine.read(x, mine.project(x[:1]))
    with pytest.raises(ValueError, match="memory: expected at least 4 dimensions"):
        mine.read(x, KeyValue(x, x))
    with pytest.raises(TypeError, match="memory: expected a KeyValue from project"):
        mine.read(x, (x, x))
    other = KeyValue(*(part.float() for part in mine.project(x)))
    with pytest.raises(ValueError, match=r"memory: expected dtype .*float64 as the"):
        mine.read(x, other)
    with pytest.raises(ValueError, match=r"cache: expected dtype .*float64 as in"):
        other.append(mine.project(x))


@pytest.mark.parametrize("given", ["query", "key"])
def test_tokens_have_three_axes(given: str) -> None:
    x = tokens(2, 5, D)
    parts = {"query": x, "key": x} | {given: x[None]}
    with pytest.raises(
        ValueError, match=rf"{given}: expected 3 dimensions, \(B, N, 12"
    ):
        heads()(**parts)


@pytest.mark.parametrize("need_weights", (False, True))
def test_a_mask_of_one_axis_is_one_of_the_keys(need_weights: bool) -> None:
    mine, x, mask = heads(), tokens(2, 5, D), torch.arange(5) < 3
    found = mine(x, mask=mask, need_weights=need_weights)
    found = found[0] if need_weights else found
    torch.testing.assert_close(found, mine(x, x[:, :3]))
    every = mine(x, mask=torch.tensor(True), need_weights=need_weights)
    torch.testing.assert_close(every[0] if need_weights else every, mine(x))


@pytest.mark.parametrize("need_weights", [False, True])
def test_what_lies_on_another_device_is_named(need_weights: bool) -> None:
    layer, x = MultiHeadAttention(8, 2), torch.randn(1, 3, 8)
    for mask in (torch.ones(3, 3).bool(), torch.zeros(3, 3)):
        with pytest.raises(ValueError, match=r'expected device cpu .*mask.to\("cpu"\)'):
            layer(x, mask=mask.to("meta"), need_weights=need_weights)
    with pytest.raises(ValueError, match="query: expected device cpu as the module's"):
        layer(x.to("meta"))
    memory = KeyValue(*(part.to("meta") for part in layer.project(x)))
    with pytest.raises(ValueError, match="memory: expected device cpu"):
        layer.read(x, memory)


def test_what_was_given_is_what_is_named() -> None:
    layer, x = MultiHeadAttention(8, 2), torch.randn(1, 3, 8)
    with pytest.raises(TypeError, match="query: expected a tensor"):
        layer(None)
    with pytest.raises(ValueError, match=r"query: expected dtype .*float32 as the"):
        layer(x.double())
    with pytest.raises(TypeError, match="new: expected a KeyValue from project"):
        layer.project(x).append((1, 2))
    with pytest.raises(ValueError, match="num_heads: expected a divisor of embed_dim"):
        TransformerXL(32, 5)
    with pytest.raises(ValueError, match="head_dim: expected a value above 0"):
        TransformerXL(32, 4, 0)
