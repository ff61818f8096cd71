"""The three steps: what the cards do not already prove."""

from functools import partial

import pytest
import torch
from torch import nn

from attnkit.attend import (
    NORMALIZERS,
    SCORES,
    General,
    Location,
    aggregate,
    attend,
    causal_mask,
    dot,
    padding_mask,
    sample_reinforce,
    softmax,
    top_k,
)

SUMS_TO_ONE = [name for name in NORMALIZERS if name != "sigmoid"]


def triple(*batch, n=3, m=5, d=4, p=6, dtype=torch.float64, grad=False):
    shapes = ((*batch, n, d), (*batch, m, d), (*batch, m, p))
    return [torch.randn(s, dtype=dtype, requires_grad=grad) for s in shapes]


def loss_gradients(output, inputs):
    return torch.autograd.grad(output.square().sum(), inputs)


# --- the three steps --------------------------------------------------------------


def test_equals_multihead_attention_with_random_projections():
    module = nn.MultiheadAttention(6, 1, batch_first=True, dtype=torch.float64)
    for weight in module.parameters():
        nn.init.normal_(weight)
    x, memory = torch.randn(2, 3, 6).double(), torch.randn(2, 5, 6).double()
    allowed = torch.rand(2, 3, 5) < 0.6
    allowed[..., 0] = True
    projections = zip(
        (x, memory, memory),
        module.in_proj_weight.chunk(3),
        module.in_proj_bias.chunk(3),
        strict=True,
    )
    inputs = [nn.functional.linear(*parts) for parts in projections]
    context, weights = attend(*inputs, mask=allowed, need_weights=True)
    wanted, shares = module(x, memory, memory, attn_mask=~allowed)
    torch.testing.assert_close(module.out_proj(context), wanted)
    torch.testing.assert_close(weights, shares)


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("score", SCORES)
def test_attend_is_the_three_steps(score, name):
    query, key, value = triple(2)
    mask = torch.rand(2, 3, 5) < 0.7
    torch.manual_seed(3)
    context, weights = attend(
        query, key, value, score=score, normalize=name, mask=mask, need_weights=True
    )
    torch.manual_seed(3)
    expected = NORMALIZERS[name](SCORES[score](query, key), mask)
    assert torch.equal(weights, expected)
    assert torch.equal(context, aggregate(expected, value))


# --- nothing to attend to, and sizes of zero --------------------------------------


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_forbidden_row_is_zero_and_passes_no_gradient(name, need_weights, dtype):
    inputs = triple(2, dtype=dtype, grad=True)
    mask = torch.rand(2, 3, 5) < 0.8
    mask[:, 1] = False
    result = attend(*inputs, normalize=name, mask=mask, need_weights=need_weights)
    context = result[0] if need_weights else result
    assert not context[:, 1].any()
    assert not need_weights or not result[1][:, 1].any()
    gradients = torch.autograd.grad(context[:, 1].sum(), inputs, retain_graph=True)
    assert not any(gradient.any() for gradient in gradients)
    assert all(
        gradient.isfinite().all() for gradient in loss_gradients(context, inputs)
    )


@pytest.mark.parametrize("name", NORMALIZERS)
def test_wild_numbers_behind_the_mask_leave_no_trace(name):
    plain = torch.randn(2, 3, 5, dtype=torch.float64)
    mask = torch.rand(2, 3, 5) < 0.6
    mask[0, 0] = False
    wild = plain.masked_fill(~mask, torch.inf).requires_grad_()
    torch.manual_seed(1)
    weights = NORMALIZERS[name](wild, mask)
    torch.manual_seed(1)
    assert torch.equal(weights, NORMALIZERS[name](plain, mask))
    (gradient,) = torch.autograd.grad(weights.square().sum(), wild)
    assert gradient.isfinite().all() and not gradient[~mask].any()


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "sizes", [(0, 3, 5, 4), (2, 0, 5, 4), (2, 3, 0, 4), (2, 3, 5, 0)]
)
def test_empty_sizes(score, name, sizes):
    b, n, m, d = map(int, sizes)
    for need_weights in (False, True):
        options = {"score": score, "normalize": name, "need_weights": need_weights}
        context = attend(*triple(b, n=n, m=m, d=d), **options)
        context = context[0] if need_weights else context
        assert context.shape == (b, n, 6) and context.isfinite().all()
        assert m > 0 or not context.any()


@pytest.mark.parametrize("name", SUMS_TO_ONE)
def test_one_key_gets_all(name):
    query, key, value = triple(2, m=1)
    _, weights = attend(query, key, value, normalize=name, need_weights=True)
    assert torch.equal(weights, torch.ones(2, 3, 1, dtype=torch.float64))


# --- masks ------------------------------------------------------------------------


def test_causal_mask_by_perturbing_the_future():
    query, key, value = triple(1, n=4, m=6)
    before = attend(query, key, value, mask=causal_mask(4, 6))
    for j in range(6):
        changed = value.clone()
        changed[:, j] += 1
        moved = (attend(query, key, changed, mask=causal_mask(4, 6)) != before).any(-1)
        assert moved[0].tolist() == [j <= i + 2 for i in range(4)]


def test_no_queries_or_no_keys_have_a_causal_mask():
    for n, m in ((0, 3), (3, 0), (0, 0)):
        query, key, value = triple(1, n=n, m=m)
        assert causal_mask(n, m).shape == (n, m)
        assert not attend(query, key, value, mask=causal_mask(n, m)).any()


def test_padding_mask_makes_padding_invisible():
    query, key, value = triple(3)
    lengths = torch.tensor([5, 2, 0])
    mask = padding_mask(lengths, 5)[:, None]
    context = attend(query, key, value, mask=mask)
    for b, length in enumerate(lengths.tolist()):
        alone = attend(query[b], key[b, :length], value[b, :length])
        torch.testing.assert_close(context[b], alone)


# --- bad input --------------------------------------------------------------------

Q, K, V = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)
K3, W = torch.randn(3, 5, 4), torch.rand(2, 3, 5)
BAD = {
    "integer query": ((Q.long(), K, V), {}, r"query: .*floating.*got torch.int64"),
    "flat key": ((Q, K[0, 0], V), {}, r"key: .*2 dimensions, got shape \(4,\)"),
    "width": ((Q, K[..., :3], V), {}, r"key: .*dimension 4 .*got shape \(2, 5, 3\)"),
    "dtype": ((Q, K.double(), V), {}, r"key: .*float32 as in query, got torch.float64"),
    "rows": ((Q, K, V[:, :4]), {}, r"value: expected 5 rows .*got shape \(2, 4, 6\)"),
    "batch": (
        (Q, K[:1].repeat(3, 1, 1), V),
        {},
        r"key: .*broadcast.*\(2,\), got \(3,\)",
    ),
    "float mask": (
        (Q, K, V),
        {"mask": torch.ones(3, 5)},
        r"mask: .*bool.*got torch.fl",
    ),
    "mask shape": (
        (Q, K, V),
        {"mask": torch.ones(5, 3, dtype=torch.bool)},
        r"mask: .*broadcasts to \(2, 3, 5\).*got \(5, 3\)",
    ),
    "score": (
        (Q, K, V),
        {"score": "cos"},
        r"score: .*cosine, dot, scaled_dot; got 'cos'",
    ),
    "normalizer": ((Q, K, V), {"normalize": "max"}, r"normalize: .*softmax.*got 'max'"),
}


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_errors_name_argument_wish_and_what_came(case, need_weights):
    inputs, options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        attend(*inputs, **options, need_weights=need_weights)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: attend([1.0], K, V), TypeError, "query: expected a tensor, got list"),
        (
            lambda: attend(Q, K, V, mask=[1]),
            TypeError,
            "mask: .*a tensor, got list",
        ),
        (lambda: softmax(Q, temperature=0.0), ValueError, "temperature: .*got 0.0"),
        (lambda: top_k(Q, k=0), ValueError, "k: expected a value above 0, got 0"),
        (lambda: top_k(Q, k=1.5), TypeError, "k: expected type int, got float"),
        (
            lambda: attend(Q, K, V, score=lambda query, key: 1.0),
            TypeError,
            "score: expected to return a tensor, got float",
        ),
        (lambda: aggregate(W.double(), V), ValueError, "weights: .*float32 as in val"),
        (lambda: aggregate(W, K3), ValueError, r"weights: .*value \(3,\), got \(2,\)"),
        (
            lambda: padding_mask(torch.tensor([9, -2]), 3),
            ValueError,
            r"lengths: expected numbers from 0 to 3, got \[9, -2\]",
        ),
        (
            lambda: padding_mask(torch.tensor([1]), 3.5),
            TypeError,
            "size: expected type int, got float",
        ),
        (lambda: causal_mask(-1), ValueError, "n: expected at least 0, got -1"),
        (lambda: causal_mask(2, True), TypeError, "m: expected type int, got bool"),
        (lambda: General(4, 0), ValueError, "key_dim: .*got 0"),
        (
            lambda: General(3, 4)(Q, K),
            ValueError,
            r"query: .*3 \(query_dim\)",
        ),
        (
            lambda: Location(4, 3)(Q, K),
            ValueError,
            r"key: .*at most 3 keys.*larger",
        ),
        (
            lambda: padding_mask(Q, 5),
            ValueError,
            "lengths: .*got torch.float32",
        ),
        (lambda: aggregate(Q, V), ValueError, r"weights: .*dimension 5 .*\(2, 3, 4\)"),
        (
            lambda: attend(Q, K, V, normalize=sample_reinforce),
            TypeError,
            "normalize: expected to return a tensor, got tuple",
        ),
    ],
)
def test_other_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- tools ------------------------------------------------------------------------


def test_autocast_may_mix_dtypes():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        context = attend(Q, K.bfloat16(), V, score=General(4, 4), normalize="sparsemax")
    plain = attend(Q, K.bfloat16().float(), V, normalize="sparsemax", score=dot)
    assert context.isfinite().all() and context.shape == plain.shape


@pytest.mark.slow
def test_inductor_agrees():
    torch._dynamo.reset()
    inputs = triple(2, n=8, m=16, dtype=torch.float32, grad=True)
    mask = torch.rand(2, 8, 16) < 0.7
    mask[0, 0] = False
    plain = partial(attend, normalize="sparsemax", mask=mask)
    compiled = torch.compile(plain, fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), plain(*inputs))
    torch.testing.assert_close(
        loss_gradients(compiled(*inputs), inputs),
        loss_gradients(plain(*inputs), inputs),
    )


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "top_k", "hard"])
def test_exports_for_any_number_of_keys(name):
    class Attend(nn.Module):
        def forward(self, query, key, value, mask):
            return attend(query, key, value, mask=mask, normalize=name)

    def example(m):
        return (*triple(2, m=m), torch.rand(2, 3, m) < 0.7)

    keys = torch.export.Dim("keys", min=2, max=512)
    shapes = (None, {1: keys}, {1: keys}, {2: keys})
    program = torch.export.export(Attend(), example(5), dynamic_shapes=shapes)
    for m in (5, 9):
        inputs = example(m)
        torch.testing.assert_close(program.module()(*inputs), Attend()(*inputs))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"score": lambda q, k: torch.zeros(2, 1, 5)}, "score: expected to return"),
        ({"normalize": lambda e, m: e[:, :1]}, "normalize: expected to return floats"),
        ({"score": lambda q, k: torch.zeros(2, 3, 5).long()}, "score: .*torch.int64"),
    ],
)
def test_what_a_callable_returns_is_checked(given, message):
    query, key = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    with pytest.raises(ValueError, match=message):
        attend(query, key, key, **given)
