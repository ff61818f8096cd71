"""The card of XLNet's two streams."""

import torch
from torch import Tensor

from attnkit.card import Sizes, Step
from attnkit.loops import Inputs

from .multihead import MultiHeadAttention
from .multihead_cards import _enter, _heads_loop, _mask, _width
from .permutation import PermutationLanguageModel
from .position_cards import _transformer_xl
from .positions import TransformerXL


class _TwoStreams(MultiHeadAttention):
    """What a layer of the model does to its two streams, before norms and network."""

    def forward(self, query: Tensor, content: Tensor, mask: Tensor) -> Tensor:
        memory = self.project(content)
        itself = torch.eye(mask.shape[-1], dtype=torch.bool, device=mask.device)
        streams = (query, mask), (content, mask | itself)
        found = [self.read(x, memory, mask=m, need_weights=True)[0] for x, m in streams]
        return torch.cat(found, 1)  # (B, 2 N, D)


def _inputs(seed: int, sizes: Sizes) -> Inputs:
    shape = sizes["B"], sizes["N"], 2 * sizes["H"] * sizes["d"]
    draw = torch.Generator().manual_seed(seed)
    both = torch.randn(2, *shape, generator=draw, dtype=torch.float64)
    query, content = both / 2
    mask = _mask(draw, sizes["B"], sizes["N"], sizes["N"])
    return {"query": query, "content": content, "mask": mask}


def _loops(
    f: MultiHeadAttention,
    query: Tensor,
    content: Tensor,
    mask: Tensor,
    own: bool = True,
) -> Tensor:
    """Query by query over the content, once for each stream."""
    itself = torch.eye(mask.shape[-1], dtype=torch.bool) & own
    found = [
        _heads_loop(f, x, content, mask=m, term=_transformer_xl)
        for x, m in ((query, mask), (content, mask | itself))
    ]
    return torch.cat(found, 1)


def _field(inputs: Inputs) -> Inputs:
    seen = inputs["mask"][0]
    itself = torch.eye(len(seen), dtype=torch.bool)
    choice = seen.sum(-1, keepdim=True) > 1
    return {
        "query": torch.cat([itself & choice, torch.zeros_like(seen)]),
        "content": torch.cat([seen, seen | itself]),
    }


_enter(
    lambda s: _TwoStreams(
        2 * _width(s), s["H"], bias=False, position=TransformerXL(2 * _width(s), s["H"])
    ),
    key="two_stream",
    title="Two-stream attention (XLNet)",
    summary="Any order of prediction: a content stream that sees itself and a query "
    "stream that knows its place but not its own symbol read the same keys and values.",
    year=2019,
    month=6,
    paper="XLNet: Generalized Autoregressive Pretraining for Language Understanding",
    link="arXiv:1906.08237",
    cite="yang2019xlnet",
    score=Step(
        "content and distance, of the query stream or of the content stream",
        r"e^g_{ij} = \mathrm{score}(g_i, h_j, i - j), \quad "
        r"e^h_{ij} = \mathrm{score}(h_i, h_j, i - j)",
    ),
    normalize=Step(
        "softmax over what comes earlier in the order; the content sees itself too",
        r"a^g_i = \mathrm{softmax}_{z_{<t}}(e^g_i), \quad "
        r"a^h_i = \mathrm{softmax}_{z_{\le t}}(e^h_i)",
    ),
    time="2*N*(H*d)**2*40+32*N*N*H*d+17*N*N*H",
    memory="2*N*N*H",
    symbols={"N": "tokens", "H": "heads", "d": "half the width per head"},
    usage="""
        from attnkit.transformer import PermutationLanguageModel

        model = PermutationLanguageModel(size=100)
        logits = model(ids, order)
    """,
    receptive="Output $i$ of the query stream depends on the query at $i$ and on the "
    "contents that come earlier in the order; of the content stream also on its own.",
    shapes=({"B": 2, "N": 4, "H": 2, "d": 3}, {"B": 1, "N": 3, "H": 1, "d": 2}),
    inputs=_inputs,
    reference=_loops,
    field=_field,
    may_be_empty=("B", "N"),
    controls={
        "the content does not see itself": lambda f, x: _loops(f, **x, own=False),
        "the query stream sees its own symbol": lambda f, x: f(
            **x | {"mask": x["mask"] | torch.eye(x["mask"].shape[-1]).bool()}
        ),
    },
    source=PermutationLanguageModel,
)
