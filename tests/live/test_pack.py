"""The page's interpreter against PyTorch, and what pack refuses."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attnkit.live.ops import SUPPORTED
from attnkit.live.pack import listing, pack, rounded
from tests.live.live_graphs import assert_parity, call, in_node, numbers


class OneHead(nn.Module):
    """Scaled dot-product attention with a padding mask."""

    output_names = ("context", "weights")

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.q(x) @ self.k(x).transpose(-1, -2) / x.shape[-1] ** 0.5
        scores = scores.masked_fill(~mask[:, None], -torch.inf)
        weights = torch.softmax(scores, -1)
        return weights @ self.v(x), weights


class BothWays(nn.Module):
    """A bidirectional GRU over embedded symbols, padding zeroed."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = nn.GRU(8, 12, batch_first=True, bidirectional=True)

    def forward(self, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states, last = self.rnn(self.embed(source))
        return states.masked_fill(~mask[..., None], 0.0), last


class Decoder(nn.Module):
    """One step of a GRU decoder with additive attention, 64 wide."""

    def __init__(self, width: int = 64, symbols: int = 40) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, 32)
        self.cell = nn.GRUCell(32 + 2 * width, width)
        self.query = nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False)
        self.head = nn.Linear(3 * width, symbols)

    def forward(
        self, token: Tensor, state: Tensor, memory: Tensor, keys: Tensor
    ) -> dict[str, Tensor]:
        scores = self.energy(torch.tanh(self.query(state)[:, None] + keys)).squeeze(-1)
        weights = torch.softmax(scores, -1)
        context = torch.einsum("bs,bsd->bd", weights, memory)
        state = self.cell(torch.cat([self.embed(token), context], -1), state)
        logits = self.head(torch.cat([state, context], -1))
        return {"logits": logits, "state": state, "weights": weights}


class Cell(nn.Module):
    """An LSTM cell whose state goes in and out as a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(6, 5)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        return self.cell(x, state)


def of(*sizes: int) -> Tensor:
    return torch.randn(*sizes)


def mask(*lengths: int, size: int) -> Tensor:
    return torch.arange(size) < torch.tensor(lengths)[:, None]


MODELS = {
    "attention": lambda: (OneHead(8), [(of(2, 5, 8), mask(3, 5, size=5))] * 2),
    "bi-gru": lambda: (
        BothWays(),
        [(torch.randint(0, 20, (2, 6)), mask(n, 6, size=6)) for n in (2, 4)],
    ),
    "decoder": lambda: (
        Decoder(),
        [(torch.tensor([n]), of(1, 64), of(1, 9, 128), of(1, 9, 64)) for n in (3, 39)],
    ),
    "lstm cell": lambda: (Cell(), [(of(2, 6), (of(2, 5), of(2, 5)))] * 2),
    "gru cell": lambda: (nn.GRUCell(6, 5), [(of(3, 6), of(3, 5))] * 2),
    "multi-head": lambda: (
        nn.MultiheadAttention(16, 4, batch_first=True),
        [(of(2, 3, 16), of(2, 5, 16), of(2, 5, 16))] * 2,
    ),
    "encoder layer": lambda: (
        nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu"),
        [(of(2, 5, 16),)] * 2,
    ),
    "convolution": lambda: (
        nn.Sequential(
            nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
            nn.ELU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 3),
        ),
        [(of(2, 4, 8, 8),)] * 2,
    ),
    "convolution in time": lambda: (
        nn.Conv1d(4, 6, 3, dilation=2, padding=2),
        [(of(2, 4, 9),)] * 2,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_agree_with_pytorch(name: str) -> None:
    torch.manual_seed(3)
    module, inputs = MODELS[name]()
    assert_parity(module, *inputs)


class Function(nn.Module):
    def __init__(self, f) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor, i: Tensor) -> object:
        return self.f(x, i)


FUNCTIONS = {
    "arithmetic": lambda x, i: (
        x + 2 * i,
        x - i,
        i / 2,
        i * 2.0,
        i * 2,
        3 - x,
        x / x.T,
    ),
    "whole numbers": lambda x, i: (
        i // 2,
        i % 3,
        -i % 3,
        i**2,
        i & 1,
        i | 4,
        i ^ 5,
        ~i,
    ),
    "powers": lambda x, i: (x**2, x.abs() ** 0.5, 2.0**x, torch.fmod(x, 0.3), x % 0.3),
    "comparison": lambda x, i: (x > 0, x <= i, i == 2, i != 2, (x > 0) & (i < 2)),
    "logic": lambda x, i: ((x > 0) ^ (i > 1), (x > 0) | (i > 1), ~(x > 0), x.isnan()),
    "choice": lambda x, i: (
        torch.where(x > 0, x, i),
        torch.where(x > 0, 1.5, 0.0),
        x.clamp(-0.5),
        x.clamp(-0.5, 0.5),
        i.clamp(max=2),
        torch.maximum(x, -x),
        torch.minimum(x, i),
    ),
    "curves": lambda x, i: (
        x.exp(),
        x.abs().log(),
        x.abs().log1p(),
        torch.expm1(x),
        x.sin(),
        x.cos(),
        x.tanh(),
        x.sigmoid(),
        torch.erf(3 * x),
        x.abs().sqrt(),
        x.abs().rsqrt(),
        x.reciprocal(),
    ),
    "activations": lambda x, i: (
        F.relu(x),
        F.gelu(x),
        F.gelu(x, approximate="tanh"),
        F.elu(x),
        F.silu(x),
        F.softplus(x),
        F.leaky_relu(x),
        F.hardtanh(x),
        F.selu(x),
        F.mish(x),
    ),
    "rounding": lambda x, i: (
        (4 * x).round(),
        x.floor(),
        x.ceil(),
        x.trunc(),
        x.sign(),
        (i + 0.5).round(),
    ),
    "sums": lambda x, i: (
        x.sum(),
        x.sum(0),
        x.sum((0, 1), keepdim=True),
        i.sum(-1),
        (x > 0).sum(0),
        x.mean(),
        x.mean(-1, keepdim=True),
        x.prod(-1),
        x.var(-1),
        x.std(0, correction=0),
        x.norm(dim=-1),
        x.norm(p=1, dim=0),
        x.logsumexp(-1),
    ),
    "extremes": lambda x, i: (
        x.amax(-1),
        x.amin(0, keepdim=True),
        x.max(-1),
        x.min(0),
        x.argmax(-1),
        x.argmin(0, keepdim=True),
        x.argmax(),
        (x > 1).any(-1),
        (x > -9).all(),
        (x > 0).all(-1),
    ),
    "order": lambda x, i: (
        x.sort(-1, descending=True),
        x.sort(0),
        i.sort(stable=True, dim=-1),
        x.topk(2, -1),
        x.topk(2, 0, largest=False),
        x.cumsum(-1),
        x.cumsum(0),
        i.cumsum(0),
        x.cumprod(-1),
    ),
    "normalizers": lambda x, i: (
        x.softmax(-1),
        x.softmax(0),
        x.log_softmax(-1),
        F.normalize(x, dim=-1),
        F.layer_norm(x, (4,)),
        F.cosine_similarity(x, x.T, dim=-1),
    ),
    "views": lambda x, i: (
        x.T,
        x.reshape(2, 2, 4),
        x.reshape(-1),
        x[1],
        x[:, -1],
        x[1:, ::2],
        x[-3:-1],
        x[None, :, None],
        x.flip(0, 1),
        x.unfold(1, 2, 1),
        x.expand(3, 4, 4),
        x.repeat(2, 1, 3),
        x.chunk(2, -1),
        x.roll(1, -1),
        x.movedim(0, 1).contiguous().view(2, 8),
    ),
    "joining": lambda x, i: (
        torch.cat([x, x.T, 2 * x], 1),
        torch.cat([x, x[:0]], 0),
        torch.stack([x, x.T], 1),
        F.pad(x, (1, 2)),
        F.pad(x, (0, 1, 2, 0), value=-1.0),
        x.tril(),
        x.triu(1),
        torch.outer(x[0], x[1]),
    ),
    "places": lambda x, i: (
        x.gather(1, i % 4),
        x[i[0] % 4],
        x[:, i[0] % 4],
        x[i[0] % 4, i[1] % 4],
        x[torch.arange(4)[:, None], i % 4],
        x.index_select(1, i[0] % 4),
        x.scatter(1, i % 4, 7.0),
        x.scatter(1, i[:, :1] % 4, x),
        F.one_hot(i % 4, 4),
        x.take_along_dim(i % 4, 0),
    ),
    "new": lambda x, i: (
        torch.arange(5),
        torch.arange(0, 1, 0.25),
        torch.zeros_like(i),
        x.new_full((2,), 2.0),
        torch.eye(3),
        x.long(),
        (x > 0).float(),
        torch.ones(2, dtype=torch.float64) * 0.1,
        torch.linspace(0, 1, 5),
    ),
    "products": lambda x, i: (
        x @ x.T,
        x @ x[0],
        x[0] @ x[1],
        torch.einsum("ij,kj,k->ik", x, x, x[0]),
        torch.addmm(x[0], x, x, beta=0.5, alpha=2.0),
        torch.addmm(x[:, :1], x, x),
        x.expand(3, 4, 4) @ x,
        torch.baddbmm(x.expand(2, 4, 4), x.expand(2, 4, 4), x.expand(2, 4, 4)),
    ),
    "writing in place": lambda x, i: _written(x),
    "attention": lambda x, i: (
        F.scaled_dot_product_attention(x[None], x[None], x[None]),
        F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True),
        F.scaled_dot_product_attention(x[None], x[None], x[None], (x > 0)[None]),
    ),
}


def _written(x: Tensor) -> Tensor:
    y = torch.zeros(4, 4)
    y[:, 1] = x[:, 0]
    y[2:, 2:] = 3
    y[0] += x[1]
    return y.masked_fill_(x > 1, -1.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations_agree_with_pytorch(name: str) -> None:
    torch.manual_seed(4)
    inputs = [(of(4, 4), torch.randint(0, 9, (4, 4))) for _ in range(3)]
    assert_parity(Function(FUNCTIONS[name]), *inputs)


def test_free_length_holds_at_lengths_not_exported() -> None:
    torch.manual_seed(5)
    length = torch.export.Dim("length", min=2, max=64)
    shapes = {"x": {1: length}, "mask": {1: length}}
    inputs = [(of(1, n, 8), mask(n - 1, size=n)) for n in (5, 2, 17)]
    assert_parity(OneHead(8), *inputs, dynamic=shapes)


def test_half_precision_equals_the_rounded_module() -> None:
    torch.manual_seed(6)
    module = Decoder()
    inputs = (torch.tensor([3]), of(1, 64), of(1, 9, 128), of(1, 9, 64))
    packed = pack({"f": (module, inputs)}, precision="float16")
    assert_parity(rounded(module), inputs, packed=packed, tolerance=1e-5)
    with pytest.raises(AssertionError, match="off by"):
        assert_parity(module, inputs, packed=packed, tolerance=1e-6)
    assert len(packed["blob"]) < 0.55 * len(pack({"f": (module, inputs)})["blob"])


def test_entries_share_their_weights() -> None:
    module = Decoder()
    inputs = (torch.tensor([3]), of(1, 64), of(1, 9, 128), of(1, 9, 64))
    one, two = (
        pack({"f": (module, inputs)}),
        pack({"f": (module, inputs), "g": (module, inputs)}),
    )
    assert one["blob"] == two["blob"]
    assert one["tensors"] == two["tensors"]


def test_a_packed_model_is_strict_json() -> None:
    packed = pack({"f": (OneHead(8), (of(1, 3, 8), mask(3, size=3)))})
    json.dumps(packed, allow_nan=False)
    assert any("_softmax" in line for line in listing(packed, "f"))


def test_what_the_page_cannot_compute_is_refused_with_a_full_list() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return torch.linalg.qr(x)[0], torch.fft.rfft(x).real

    with pytest.raises(ValueError, match=r"cannot compute .*fft.*f\).*qr"):
        pack({"f": (Odd(), (of(3, 3),))})


def test_a_module_that_changes_its_buffers_is_refused() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x + self.count

    with pytest.raises(ValueError, match=r"changes its buffers \['count'\]"):
        pack({"f": (Counter(), (of(2),))})


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="float32 or float16, got 'int8'"):
        pack({}, precision="int8")


def test_packing_leaves_the_module_in_its_mode() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    pack({"f": (module, (of(1, 2),))})
    assert module.training


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({}, 'f: input "x" is missing'),
        ({"x": {"data": [1, 2], "shape": [2]}}, "must have the shape [2,3], got [2]"),
        ({"x": [1, 2, 3]}, "must hold 6 numbers, got 3"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: dict, sentence: str) -> None:
    module = nn.Linear(3, 2)
    packed = pack({"f": (Function(lambda x, i: module(x)), (of(2, 3), of(1)))})
    call_with = ["f", {"i": [0], **inputs}]
    assert sentence in in_node(packed, [call_with])["results"][0]["error"]


def test_an_index_outside_the_table_is_an_error() -> None:
    packed = pack({"f": (nn.Embedding(4, 2), (torch.tensor([1]),))})
    result = in_node(packed, [["f", {"input": [4]}]])["results"][0]
    assert "index 4 is outside" in result["error"]


def test_results_are_the_callers_own() -> None:
    module = nn.Linear(2, 2)
    packed = pack({"f": (module, (of(1, 2),))})
    calls = [call("f", module, (of(1, 2),)) for _ in range(2)]
    first, second = (r["outputs"][0] for r in in_node(packed, calls)["results"])
    assert not torch.equal(numbers(first), numbers(second))


def test_both_lists_of_operations_are_equal() -> None:
    assert set(in_node()["ops"]) == SUPPORTED
