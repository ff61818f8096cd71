"""The fused path: equal to the explicit one, for any axes, and without the weights."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnkit.attend import attend


def triple(*batches, n=3, m=5, p=4, dtype=torch.float64):
    """Query, key and value with the leading axes given for each."""
    sizes = ((n, 4), (m, 4), (m, p))
    return [
        torch.randn(*batch, *size, dtype=dtype, requires_grad=True)
        for batch, size in zip(batches, sizes, strict=True)
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [4, 6])
@pytest.mark.parametrize(
    ("batches", "mask_shape"),
    [
        (((), (), ()), (3, 5)),
        (((), (), ()), ()),
        (((2,), (), ()), (5,)),
        (((2,), (2,), (2,)), (2, 1, 5)),
        (((2, 1), (7,), (7,)), (1, 1, 3, 1)),
        (((2,), (2,), (2,)), None),
        (((2, 3), (2, 3), (2, 3)), ()),
        (((2, 3), (2, 3), (2, 3)), (5,)),
        (((2, 3), (2, 3), (2, 3)), (3, 1, 5)),
        (((2, 3, 4), (2, 3, 4), (2, 3, 4)), (2, 1, 1, 3, 5)),
        (((2, 3, 4), (2, 1, 1), (4,)), (4, 1, 5)),
        (((2, 0, 3), (3,), ()), (5,)),
    ],
)
def test_fused_path_equals_explicit_path(batches, mask_shape, p, dtype):
    inputs = triple(*batches, p=p, dtype=dtype)
    mask = None if mask_shape is None else torch.rand(mask_shape) < 0.6
    fused = attend(*inputs, mask=mask)
    explicit, _ = attend(*inputs, mask=mask, need_weights=True)
    torch.testing.assert_close(fused, explicit)
    torch.testing.assert_close(gradients(fused, inputs), gradients(explicit, inputs))


def gradients(output: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(output.square().sum(), inputs)


def test_default_path_takes_no_explicit_step(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the explicit path ran")

    monkeypatch.setattr("attnkit.attend.aggregate", refuse)
    inputs = triple((2,), (2,), (2,))
    attend(*inputs)
    with pytest.raises(AssertionError, match="explicit path"):
        attend(*inputs, need_weights=True)


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that any operation has made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        result = op(*args, **(kwargs or {}))
        made = [x.numel() for x in tree_leaves(result) if isinstance(x, Tensor)]
        self.numbers = max([self.numbers, *made])
        return result


@pytest.mark.parametrize("batch", [(), (2,), (2, 1), (1, 2, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_default_path_never_holds_the_weights(batch, masked):
    n, m = 64, 96
    inputs = triple(batch, batch, batch[1:], n=n, m=m)
    mask = torch.rand(m) < 0.6 if masked else None
    with Largest() as plain:
        attend(*inputs, mask=mask)
    with Largest() as explicit:
        attend(*inputs, mask=mask, need_weights=True)
    cells = n * m * (2 if batch else 1)
    assert plain.numbers < cells / 4 and explicit.numbers == cells
