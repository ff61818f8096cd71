"""Transformer-XL's memory and XLNet's orders: what is seen; equal to the library."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attnkit.transformer import (
    PermutationLanguageModel,
    SegmentLanguageModel,
    permutation_masks,
)

SIZES = {"embed_dim": 16, "num_heads": 4, "num_layers": 2}


def redraw(model: nn.Module) -> Any:
    """New random numbers in every weight, in double precision."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) * 0.4)
    return model.double().eval()


def some_ids(*shape: int, size: int = 7) -> Tensor:
    return torch.randint(size, shape, generator=torch.Generator().manual_seed(2))


def by_segments(model: SegmentLanguageModel, ids: Tensor, length: int) -> Tensor:
    memory, found = None, []
    for segment in ids.split(length, 1):
        logits, memory = model(segment, memory)
        found.append(logits)
    return torch.cat(found, 1)


# ---- Transformer-XL ------------------------------------------------------------------


@pytest.mark.parametrize("norm_first", (False, True))
def test_segments_with_all_their_past_are_the_whole_text(norm_first: bool) -> None:
    model = redraw(SegmentLanguageModel(7, memory_len=99, norm_first=norm_first))
    ids = some_ids(2, 24)
    whole, _ = model(ids)
    for length in (1, 5, 8):
        assert (by_segments(model, ids, length) - whole).abs().max() < 1e-10


@pytest.mark.parametrize(("layers", "memory"), ((1, 4), (2, 4), (2, 8), (3, 4), (2, 0)))
def test_it_reaches_layers_times_memory(layers: int, memory: int) -> None:
    model = redraw(
        SegmentLanguageModel(7, memory_len=memory, embed_dim=16, num_layers=layers)
    )
    ids = some_ids(1, 25)
    before = by_segments(model, ids, 4)[0, 24]  # the first of its segment
    seen = []
    for place in range(24):
        other = ids.clone()
        other[0, place] = (other[0, place] + 1) % 7
        after = by_segments(model, other, 4)[0, 24]
        seen.append((after - before).abs().max().item() > 1e-9)
    reach = layers * memory
    assert seen == [place >= 24 - reach for place in range(24)]


def test_the_future_of_a_segment_is_not_seen() -> None:
    model, ids = redraw(SegmentLanguageModel(7, memory_len=4)), some_ids(2, 12)
    other = ids.clone()
    other[:, 9:] = (other[:, 9:] + 1) % 7
    before, after = by_segments(model, ids, 4), by_segments(model, other, 4)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9:], after[:, 9:])


def test_memory_goes_in_and_out_and_has_no_history() -> None:
    model = SegmentLanguageModel(7, memory_len=6)
    _, memory = model(some_ids(2, 4))
    kept = [old.clone() for old in memory]
    logits, new = model(some_ids(2, 4), memory)
    assert [tuple(old.shape) for old in new] == [(2, 6, 64)] * 2
    assert not any(old.requires_grad for old in new)
    assert all(torch.equal(a, b) for a, b in zip(memory, kept, strict=True))
    logits.square().sum().backward()
    assert all(w.grad is not None and w.grad.any() for w in model.parameters())


def test_weights_over_memory_and_segment_sum_to_one() -> None:
    model = redraw(SegmentLanguageModel(7, memory_len=6, **SIZES))
    _, memory = model(some_ids(2, 6))
    _, _, maps = model(some_ids(2, 4), memory, need_weights=True)
    assert [tuple(m.shape) for m in maps] == [(2, 4, 4, 10)] * 2
    for weights in maps:
        assert (weights.sum(-1) - 1).abs().max() < 1e-12
        assert not weights.triu(7).any()  # 6 remembered places and its own


def test_a_memory_that_does_not_fit_is_refused() -> None:
    model = SegmentLanguageModel(7, memory_len=6)
    _, memory = model(some_ids(2, 4))
    with pytest.raises(ValueError, match=r"memory: expected tensors \(3, M, 64\), got"):
        model(some_ids(3, 4), memory)
    with pytest.raises(ValueError, match="memory: expected 2 tensors, one per layer"):
        model(some_ids(2, 4), memory[:1])
    with pytest.raises(TypeError, match="memory: expected the tuple of tensors of the"):
        model(some_ids(2, 4), 3)
    with pytest.raises(ValueError, match="memory_len: expected at least 0, got -1"):
        SegmentLanguageModel(7, memory_len=-1)


# ---- XLNet ---------------------------------------------------------------------------


def test_masks_of_every_order_of_four_places() -> None:
    for order in itertools.permutations(range(4)):
        masks = permutation_masks(torch.tensor(order))
        for i, j in itertools.product(range(4), repeat=2):
            earlier = order.index(j) < order.index(i)
            assert masks.query[i, j].item() == earlier
            assert masks.content[i, j].item() == (earlier or i == j)


def test_over_all_orders_each_sees_each_other_equally_often() -> None:
    orders = torch.tensor([*itertools.permutations(range(4))])
    counts = permutation_masks(orders).query.sum(0)
    assert torch.equal(counts, 12 * (1 - torch.eye(4, dtype=torch.long)))


def test_logits_know_what_came_before_in_the_order_and_no_more() -> None:
    model = redraw(PermutationLanguageModel(7, **SIZES | {"num_layers": 3}))
    ids = some_ids(3, 6)
    order = torch.tensor([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 5, 0, 3, 1, 4]])
    rank, before = order.argsort(-1), model(ids, order)
    for place in range(6):
        other = ids.clone()
        other[:, place] = (other[:, place] + 1) % 7
        changed = (model(other, order) - before).abs().amax(-1) > 1e-9
        assert torch.equal(changed, rank > rank[:, place : place + 1])


def test_weights_of_both_streams_keep_to_their_masks() -> None:
    model = redraw(PermutationLanguageModel(7, **SIZES))
    order = torch.tensor([2, 0, 3, 1])
    masks = permutation_masks(order)
    _, maps = model(some_ids(2, 4), order, need_weights=True)
    for streams in maps:
        for weights, mask in zip(streams, masks, strict=True):
            assert not weights[..., ~mask].any()
            rows = mask.any(-1)
            assert (weights[..., rows, :].sum(-1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize(
    "order", ([0, 1, 1], [1, 2, 3], [0.0, 1.0, 2.0], [[[0, 1, 2]]])
)
def test_what_is_no_order_is_refused(order: list) -> None:
    with pytest.raises(ValueError, match="order: expected permutations of 0 … 2"):
        permutation_masks(torch.tensor(order))


def test_an_order_of_another_length_is_refused() -> None:
    model = PermutationLanguageModel(7)
    with pytest.raises(ValueError, match="order: expected 5 places as ids has symbols"):
        model(some_ids(1, 5), torch.arange(4))


# ---- weight for weight the library's -------------------------------------------------


def _copy(pairs: dict[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for ours, theirs in pairs.items():
            ours.copy_(theirs)


def _unscaled(table: Tensor) -> Tensor:
    """The library does not multiply a row of the table by the root of the width."""
    return table / math.sqrt(table.shape[1])


def _waves(weight: Tensor) -> Tensor:
    """Columns for sines and cosines in turn, from all sines and then all cosines."""
    half = weight.shape[-1] // 2
    return torch.stack([weight[..., :half], weight[..., half:]], -1).flatten(-2)


def _no_bias(attention: nn.Module) -> None:
    for part in (
        attention.query_proj,
        attention.key_proj,
        attention.value_proj,
        attention.output_proj,
    ):
        nn.init.zeros_(part.bias)


def test_equal_to_the_librarys_transformer_xl() -> None:
    library = pytest.importorskip("transformers")
    if not hasattr(library, "TransfoXLModel"):
        pytest.skip("this version of transformers has no Transformer-XL any more")
    config = library.TransfoXLConfig(
        vocab_size=7, cutoffs=[], d_model=16, d_embed=16, n_head=4, d_head=4,
        d_inner=64, n_layer=2, mem_len=8, clamp_len=-1, dropout=0, dropatt=0, div_val=1,
        same_length=False,
    )  # fmt: skip
    peer = redraw(library.TransfoXLModel(config)).float()  # it masks in no other
    ours = SegmentLanguageModel(7, memory_len=8, **SIZES).eval()
    _copy({ours.embedding.table: peer.word_emb.emb_layers[0].weight})
    for layer, other in zip(ours.layers, peer.layers, strict=True):
        attention, theirs = layer.attention, other.dec_attn
        query, key, value = theirs.qkv_net.weight.chunk(3)
        _no_bias(attention)
        _copy(
            {
                attention.query_proj.weight: query,
                attention.key_proj.weight: key,
                attention.value_proj.weight: value,
                attention.output_proj.weight: theirs.o_net.weight,
                attention.position.place.weight: _waves(theirs.r_net.weight),
                attention.position.content_bias: theirs.r_w_bias[:, None],
                attention.position.place_bias: theirs.r_r_bias[:, None],
                layer.attention_norm.weight: theirs.layer_norm.weight,
                layer.attention_norm.bias: theirs.layer_norm.bias,
                layer.feed_forward.inner.weight: other.pos_ff.CoreNet[0].weight,
                layer.feed_forward.inner.bias: other.pos_ff.CoreNet[0].bias,
                layer.feed_forward.outer.weight: other.pos_ff.CoreNet[3].weight,
                layer.feed_forward.outer.bias: other.pos_ff.CoreNet[3].bias,
                layer.feed_forward_norm.weight: other.pos_ff.layer_norm.weight,
                layer.feed_forward_norm.bias: other.pos_ff.layer_norm.bias,
            }
        )
    # The library begins with a memory of zeros, and attends to them.
    memory, kept = (torch.zeros(2, 8, 16),) * 2, None
    for segment in some_ids(2, 12).split(4, 1):
        found = peer(segment, mems=kept)
        kept = found.mems
        logits, memory = ours(segment, memory)
        theirs = found.last_hidden_state @ ours.embedding.table.mT
        assert (logits - theirs).abs().max() < 1e-5


def test_equal_to_the_librarys_xlnet() -> None:
    library = pytest.importorskip("transformers")
    config = library.XLNetConfig(
        vocab_size=7, d_model=16, n_layer=2, n_head=4, d_inner=64, dropout=0,
        ff_activation="relu", layer_norm_eps=1e-5,
    )  # fmt: skip
    peer = redraw(library.XLNetModel(config)).float()  # it takes no other precision
    ours = PermutationLanguageModel(7, **SIZES).eval()
    _copy(
        {
            ours.embedding.table: _unscaled(peer.word_embedding.weight),
            ours.unknown: peer.mask_emb[0, 0],
        }
    )
    for layer, other in zip(ours.encoder.layers, peer.layer, strict=True):
        attention, theirs = layer.attention, other.rel_attn
        _no_bias(attention)
        _copy(
            {
                attention.query_proj.weight: theirs.q.flatten(1).mT,
                attention.key_proj.weight: theirs.k.flatten(1).mT,
                attention.value_proj.weight: theirs.v.flatten(1).mT,
                attention.output_proj.weight: theirs.o.flatten(1),
                attention.position.place.weight: _waves(theirs.r.flatten(1).mT),
                attention.position.content_bias: theirs.r_w_bias[:, None],
                attention.position.place_bias: theirs.r_r_bias[:, None],
                layer.attention_norm.weight: theirs.layer_norm.weight,
                layer.attention_norm.bias: theirs.layer_norm.bias,
                layer.feed_forward.inner.weight: other.ff.layer_1.weight,
                layer.feed_forward.inner.bias: other.ff.layer_1.bias,
                layer.feed_forward.outer.weight: other.ff.layer_2.weight,
                layer.feed_forward.outer.bias: other.ff.layer_2.bias,
                layer.feed_forward_norm.weight: other.ff.layer_norm.weight,
                layer.feed_forward_norm.bias: other.ff.layer_norm.bias,
            }
        )
    ids, order = some_ids(2, 6), torch.tensor([[3, 1, 5, 0, 4, 2], [0, 1, 2, 3, 4, 5]])
    hidden = (~permutation_masks(order).query).float()
    found = peer(ids, perm_mask=hidden, target_mapping=torch.eye(6).repeat(2, 1, 1))
    logits = ours(ids, order)
    theirs = found.last_hidden_state @ ours.embedding.table.mT
    rank = order.argsort(-1)
    # The first of an order sees nothing: the library then takes the mean of all values.
    assert (logits - theirs)[rank > 0].abs().max() < 1e-5
    assert (logits - theirs)[rank == 0].abs().max() > 1e-3
