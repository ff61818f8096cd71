"""Cards of the normalizers that choose one key."""

from collections.abc import Callable

import torch
from torch import Tensor

from attnkit import normalizers
from attnkit.card import Step
from attnkit.loops import among, by_row, exponentials, function, lowest, race
from attnkit.normalizers_cards import enter, usage

NOT_A_DERIVATIVE = (
    "the output jumps, so its true derivative is 0; the gradient is softmax's by design"
)

enter(
    key="hard",
    title="Hard choice (argmax, straight-through)",
    summary="All weight goes to the best key. The gradient is that of softmax, as if "
    "the choice had been soft.",
    year=2013,
    month=8,
    paper="Estimating or Propagating Gradients Through Stochastic Neurons for "
    "Conditional Computation",
    link="arXiv:1308.3432",
    cite="bengio2013estimating",
    normalize=Step(
        "1 for the best key, 0 for the rest", r"a_{ij} = [\,j = \arg\max_m e_{im}\,]"
    ),
    usage=usage("hard"),
    one=lambda row: [float(m == row.index(max(row))) for m in range(len(row))],
    controls={
        "mask left out": lambda f, x: f(x["scores"]),
        "softmax": lambda f, x: lowest(**x).softmax(-1),
        "the worst key": lambda f, x: f(-x["scores"], x["mask"]),
    },
    excuses={"gradcheck": NOT_A_DERIVATIVE},
    source=normalizers.hard,
)


def _dice(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _draws(seed: int, scores: Tensor, mask: Tensor) -> Tensor:
    clock = torch.empty(scores.shape, dtype=torch.float64)
    return race(clock.exponential_(generator=_dice(seed)), scores, mask)


def _reinforced(seed: int) -> Callable:
    def run(scores: Tensor, mask: Tensor | None = None) -> Tensor:
        weights, log_prob = normalizers.sample_reinforce(scores, mask, _dice(seed))
        return weights * log_prob[..., None]

    return run


DRAWN = {
    "batch": "the draw of a sample depends on its place in the batch",
    "compile": "a generator that is passed in cannot be traced; tested without one",
    "export": "the draw would be frozen or repeated differently; tested without one",
}
HARD_ATTENTION = {
    "year": 2015,
    "month": 2,
    "paper": "Show, Attend and Tell: Neural Image Caption Generation with Visual "
    "Attention",
    "link": "arXiv:1502.03044",
    "cite": "xu2015show",
    "attends_to": ("space",),
}

enter(
    key="sampled",
    title="Sampled choice (straight-through)",
    summary="One key is drawn with the chances that softmax gives, and gets all the "
    "weight. The gradient is that of softmax.",
    **HARD_ATTENTION,
    normalize=Step(
        "draw one key from softmax",
        r"a_{ij} = [\,j = J_i\,], \; J_i \sim \mathrm{softmax}(e_i)",
    ),
    usage=usage("sampled"),
    make=lambda seed, sizes: (
        lambda scores, mask=None: normalizers.sampled(scores, mask, generator=_dice(7))
    ),
    reference=lambda mechanism, scores, mask: _draws(7, scores, mask),
    controls={
        "the best key, not a drawn one": lambda f, x: normalizers.hard(**x),
        "keys drawn at equal chances": lambda f, x: f(0 * x["scores"], x["mask"]),
    },
    excuses=DRAWN | {"gradcheck": NOT_A_DERIVATIVE},
    source=normalizers.sampled,
)

enter(
    key="sample_reinforce",
    title="Sampled choice (REINFORCE)",
    summary="One key is drawn with the chances that softmax gives; the log-probability "
    "of the draw comes with it, so that a reward can teach the scores.",
    year=1992,
    month=5,
    paper="Simple Statistical Gradient-Following Algorithms for Connectionist "
    "Reinforcement Learning",
    link="doi:10.1007/BF00992696",
    cite="williams1992simple",
    attends_to=("space",),
    normalize=Step(
        "draw one key from softmax, keep the logarithm of its chance",
        r"a_{ij} = [\,j = J_i\,], \; \log p_i = \log \mathrm{softmax}(e_i)_{J_i}",
    ),
    usage="""
        from attnkit.attend import aggregate, sample_reinforce

        weights, log_prob = sample_reinforce(scores, mask)
        context = aggregate(weights, value)
        surrogate = ((loss_of_draw - baseline).detach() * log_prob).mean()
    """,
    receptive="The log-probability of a draw depends on all scores of its row.",
    make=function(_reinforced(7)),
    reference=lambda mechanism, scores, mask: (
        _draws(7, scores, mask)
        * by_row(scores, mask, exponentials).clamp_min(1e-300).log()
    ),
    field=lambda x: {
        "scores": among(x["mask"])["scores"] & (_draws(7, **x).flatten()[:, None] > 0)
    },
    controls={
        "chance in place of its logarithm": lambda f, x: f(**x).exp() * (f(**x) != 0),
        "logarithm without the mask": lambda f, x: (
            (f(**x) != 0) * x["scores"].log_softmax(-1)
        ),
    },
    excuses=DRAWN,
    source=normalizers.sample_reinforce,
)
