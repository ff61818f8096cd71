"""The operations that the page computes: the keys of `OPS` in `src/graph.js`.

A test compares the two lists.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SUPPORTED: frozenset[str] = _words(
    """
    _log_softmax.default _softmax.default _to_copy.default _unsafe_view.default
    abs.default add.Scalar add.Tensor addmm.default alias.default all.default all.dim
    amax.default amin.default any.default any.dim any.dims arange.start_step
    argmax.default argmin.default bitwise_and.Scalar bitwise_and.Tensor
    bitwise_not.default bitwise_or.Scalar bitwise_or.Tensor bitwise_xor.Scalar
    bitwise_xor.Tensor bmm.default cat.default ceil.default clamp.Tensor clamp.default
    clone.default constant_pad_nd.default convolution.default copy.default cos.default
    cumprod.default cumsum.default detach.default div.Scalar div.Scalar_mode div.Tensor
    div.Tensor_mode elu.default embedding.default eq.Scalar eq.Tensor erf.default
    exp.default expand.default expm1.default flip.default floor.default fmod.Scalar
    fmod.Tensor full.default full_like.default gather.default ge.Scalar ge.Tensor
    gelu.default gt.Scalar gt.Tensor hardtanh.default index.Tensor index_select.default
    isinf.default isnan.default le.Scalar le.Tensor leaky_relu.default
    lift_fresh_copy.default linalg_vector_norm.default log.default log1p.default
    log2.default logical_and.default logical_not.default logical_or.default
    logical_xor.default lt.Scalar lt.Tensor max.dim max_pool2d_with_indices.default
    maximum.default mean.default mean.dim min.dim minimum.default mm.default mul.Scalar
    mul.Tensor native_layer_norm.default ne.Scalar ne.Tensor neg.default permute.default
    pow.Scalar pow.Tensor_Scalar pow.Tensor_Tensor prod.dim_int reciprocal.default
    relu.default remainder.Scalar remainder.Tensor repeat.default reshape.default
    round.default rsqrt.default scalar_tensor.default scatter.src scatter.value
    select.int select_scatter.default sigmoid.default sign.default sin.default
    slice.Tensor slice_scatter.default sort.default sort.stable split_with_sizes.default
    sqrt.default squeeze.dim squeeze.dims sub.Scalar sub.Tensor sum.default
    sum.dim_IntList sym.add sym.floordiv sym.mul sym.sub sym_size.int tanh.default
    topk.default trunc.default unfold.default unsqueeze.default var.correction
    view.default where.self
    """
)

CREATIONS: frozenset[str] = _words(
    "full.default full_like.default scalar_tensor.default arange.start_step"
)
"""Operations whose result type is always written down."""

ASSERTIONS: frozenset[str] = _words(
    """
    _assert_async.msg _assert_scalar.default _assert_tensor_metadata.default
    sym_constrain_range.default sym_constrain_range_for_size.default
    """
)
"""Checks of the exporter; the page checks its inputs itself."""
