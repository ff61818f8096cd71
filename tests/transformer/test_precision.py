"""Other precisions: refused by name where they do not fit, right where they do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attnkit.attend import attend
from attnkit.transformer import (
    CaptionTransformer,
    DecoderLayer,
    Encoder,
    FeedForward,
    LinformerAttention,
    MultiHeadAttention,
    RandomFeatures,
    SegmentLanguageModel,
    clustered_attention,
    linear_attention,
    nystrom_attention,
)

D, H = 8, 2
IDS = torch.tensor([[1, 2, 3], [3, 2, 1]])
OTHERS = (torch.float64, torch.float16, torch.bfloat16)
MODULES: dict[str, Callable[[Tensor], object]] = {
    "key": lambda x: MultiHeadAttention(D, H)(x.float(), x),
    "value": lambda x: MultiHeadAttention(D, H).project(x.float(), x),
    "query": lambda x: MultiHeadAttention(D, H)(x),
    "tokens of an encoder": lambda x: Encoder(1, D, H)(x),
    "tokens of a post-norm encoder": lambda x: Encoder(1, D, H, norm_first=False)(x),
    "tokens of a decoder": lambda x: DecoderLayer(D, H)(x),
    "tokens of a network": lambda x: FeedForward(D)(x),
    "memory of a captioner": lambda x: CaptionTransformer(9, D)(x, IDS),
    "memory of segments": lambda x: SegmentLanguageModel(9, embed_dim=D)(IDS, (x, x)),
    "x": lambda x: RandomFeatures(D, 4)(x),
    "key of few": lambda x: LinformerAttention(4, 2)(x, x, x),
}


def rows(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", OTHERS, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_another_precision_than_the_weights_is_named(name, dtype) -> None:
    x = rows(2, 3, D).to(dtype)
    argument = name.split()[0]
    words = rf"^{argument}: expected dtype torch.float32 as .*, got {dtype}"
    with pytest.raises(ValueError, match=words):
        MODULES[name](x)


def test_the_error_says_what_to_do() -> None:
    layer, x = MultiHeadAttention(D, H), rows(2, 3, D)
    with pytest.raises(ValueError, match=r"call query.to\(torch.float32\), or .to\("):
        layer(x.double())
    assert torch.equal(layer(x.double().to(torch.float32)), layer(x))


@pytest.mark.parametrize("name", MODULES)
def test_whole_numbers_are_no_tokens(name: str) -> None:
    with pytest.raises(ValueError, match="expected a floating-point dtype, got"):
        MODULES[name](torch.ones(2, 3, D, dtype=torch.int64))


@pytest.mark.parametrize("compiled", (False, True))
@pytest.mark.parametrize("make", (MultiHeadAttention, DecoderLayer))
def test_autocast_may_mix_precisions(make: Callable, compiled: bool) -> None:
    options = {} if make is MultiHeadAttention else {"cross": False}
    layer, x = make(D, H, **options).eval(), rows(2, 3, D)
    call = torch.compile(layer, fullgraph=True, backend="eager") if compiled else layer
    wanted = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = call(x.bfloat16())
    for a, b in zip(_first(found), _first(wanted), strict=True):
        assert (a.float() - b).abs().max() < 0.05


def _first(found) -> tuple[Tensor]:
    return (found,) if isinstance(found, Tensor) else (found[0],)


@pytest.mark.filterwarnings("ignore")
def test_a_quantized_module_takes_what_it_took() -> None:
    quantize = pytest.importorskip("torch.ao.quantization").quantize_dynamic
    layer, x = Encoder(1, D, H).eval(), rows(2, 3, D)
    try:
        found = quantize(layer, {nn.Linear})(x)
    except RuntimeError as error:  # a machine without such kernels
        pytest.skip(str(error))
    assert (found - layer(x)).abs().max() < 0.1


@pytest.mark.parametrize("causal", (False, True))
@pytest.mark.parametrize("how", ("half", "autocast"))
def test_linear_attention_over_thousands_stays_in_range(how: str, causal: bool) -> None:
    q, k, v = (rows(1, 9000, D, seed=seed).half() for seed in (1, 2, 3))
    wanted = linear_attention(q.double(), k.double(), v.double(), causal=causal)
    if how == "autocast":
        with torch.autocast("cpu", torch.float16):
            found = linear_attention(q.float(), k.float(), v.float(), causal=causal)
    else:
        found = linear_attention(q, k, v, causal=causal)
    error = (found - wanted).square().mean() / wanted.square().mean()
    assert error.sqrt() < 1e-3


def test_random_features_of_long_rows_are_not_lost_in_half_precision() -> None:
    q, k, v = (6 * rows(1, 50, 32, seed=seed) for seed in (1, 2, 3))
    features = RandomFeatures(32, 64)
    wanted = linear_attention(q, k, v, features=features)
    parts = (x.half() for x in (q, k, v))
    found = linear_attention(*parts, features=features.half())
    assert (found - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_a_hidden_key_has_no_part_in_the_factor_that_is_left_out() -> None:
    q, k, v = (rows(2, 6, 16, seed=seed) for seed in (1, 2, 3))
    k = 12 * k
    k[:, 4:] = 0
    features, mask = RandomFeatures(16, 64), torch.arange(6) < 4
    wanted = linear_attention(q, k[:, :4], v[:, :4], features=features)
    found = linear_attention(q, k, v, features=features, mask=mask[None])
    assert wanted.abs().max() > 1 and torch.allclose(found, wanted)
    nothing = linear_attention(q, k, v, features=features, mask=~mask[:1])
    assert not nothing.any()


@pytest.mark.parametrize("how", ("half", "autocast"))
def test_a_large_cluster_has_a_finite_centre(how: str) -> None:
    q, v = rows(1, 4000, D) + 20, rows(1, 4000, D, seed=2)
    wanted = clustered_attention(q.half().double(), q.half().double(), v.double(), 1)
    if how == "autocast":
        with torch.autocast("cpu", torch.float16):
            found = clustered_attention(q, q, v, 1)
    else:
        found = clustered_attention(q.half(), q.half(), v.half(), 1)
    assert (found - wanted).abs().max() < 0.05


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16), ids=str)
def test_the_inverse_of_nystroms_way_does_not_blow_up_roundings(dtype) -> None:
    q, k, v = (rows(1, 200, 16, seed=seed) for seed in (1, 2, 3))
    q, k = q / 10, k / 10
    found = nystrom_attention(q.to(dtype), k.to(dtype), v.to(dtype), 20)
    assert found.dtype == dtype
    assert (found - attend(q, k, v)).abs().max() < 5e-3
