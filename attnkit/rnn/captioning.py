"""Training captioners and measuring where they look: the settings of chapter 6."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attnkit.checks import check_positive
from attnkit.data.scenes import SceneBatch, SceneSet, scene_vocabulary
from attnkit.train import History, fit, seed_everything

from .captioner import CaptionDecoder, Written, word_mask
from .regions import Captioner, RegionEncoder


@dataclass(frozen=True)
class CaptionRecipe:
    """Training: 500 steps of 64 scenes; a decoder alone takes 1000."""

    size: int = 64
    steps: int = 500
    decoder_steps: int = 1000
    lr: float = 5e-3
    factor: float = 0.3
    entropy: float = 0.05


CAPTION_RECIPE = CaptionRecipe()


def entropy(weights: Tensor) -> Tensor:
    r"""$-\sum_i a_i \ln a_i$ of each row, in nats: (..., M) → (...)."""
    return torch.special.entr(weights).sum(-1)


def doubly_stochastic(weights: Tensor, real: Tensor) -> Tensor:
    r"""How far the places are from being looked at once each: a number.

    $$\mathcal{L}_d = \frac{1}{B} \sum_b \sum_i \Big(1 - \sum_t a_{ti}\Big)^2$$

    Args:
        weights: (B, T, M); each row sums to 1 over the places.
        real: boolean (B, T), False for padded words: they do not count.

    Source:
        Xu et al. 2015 (arXiv:1502.03044), section 4.2.1, equation 14.
    """
    spent = (weights * real[..., None]).sum(1)  # (B, M)
    return (1 - spent).square().sum(-1).mean()


def caption_loss(
    model: Captioner | CaptionDecoder, batch: SceneBatch, coverage: float = 0.0
) -> Tensor:
    """Mean negative log-probability of the words, and `coverage` times the penalty of
    `doubly_stochastic`. The batch holds images, or for a decoder alone the memory."""
    logits, weights = model(batch.images, batch.captions, need_weights=True)
    real = word_mask(batch.targets)
    loss = F.cross_entropy(logits[real], batch.targets[real])
    if coverage:
        loss = loss + coverage * doubly_stochastic(weights, real)
    return loss


class Reinforce:
    r"""The loss of hard attention: words by their logarithm, glimpses by their reward.

    $$R_t = \sum_{r \ge t} \ln p(y_r) \qquad
    \mathcal{L} = -\frac1N \sum_t \Big[ \ln p(y_t) + \lambda (R_t - b_t) \ln a_{t J_t}
    + \gamma \operatorname{H}(a_t) \Big]$$

    $R_t$ and $b_t$ carry no gradient. The baseline $b_t$ is a moving average of $R_t$,
    kept for each step $t$; it does not depend on the draw, so the gradient stays right
    on average, and it takes away most of its spread. $\gamma$ falls to 0 at 80 percent
    of the run. Deviations from the paper: the reward of a glimpse counts the words
    from its own on, and not those before, and the baseline knows the step.

    Args:
        steps: of the run, for $\gamma$.
        factor: $\lambda$.
        entropy: $\gamma$ at the beginning.
        momentum: of the baseline.

    Source:
        Xu et al. 2015 (arXiv:1502.03044), section 4.1, equation 12; Williams 1992
        (doi:10.1007/BF00992696).
    """

    def __init__(
        self,
        steps: int,
        *,
        factor: float = 0.3,
        entropy: float = 0.05,
        momentum: float = 0.9,
    ) -> None:
        check_positive("steps", steps)
        self.steps, self.factor, self.entropy = steps, factor, entropy
        self.momentum = momentum
        self.done, self.baseline = 0, torch.zeros(0)

    def __call__(self, model: Captioner | CaptionDecoder, batch: SceneBatch) -> Tensor:
        out, real = model.write(batch.images, batch.captions), word_mask(batch.targets)
        logs = word_logs(out, batch.targets) * real  # (B, T)
        reward = logs.detach().flip(1).cumsum(1).flip(1)
        draws = (reward - self._expected(reward, real)) * out.log_prob
        spread = max(0.0, 1 - self.done / (0.8 * self.steps)) * entropy(out.chances)
        self.done += 1
        gain = logs + self.factor * draws + self.entropy * spread
        return -(gain * real).sum() / real.sum()

    def _expected(self, reward: Tensor, real: Tensor) -> Tensor:
        """The baseline before this batch, which then moves it."""
        mean = (reward * real).sum(0) / real.sum(0).clamp_min(1)  # (T,)
        before = self.baseline if len(self.baseline) == len(mean) else mean
        self.baseline = self.momentum * before + (1 - self.momentum) * mean
        return before


def word_logs(out: Written, targets: Tensor) -> Tensor:
    """Log-probability of each target word (B, T)."""
    return -F.cross_entropy(out.logits.mT, targets, reduction="none")


class RegionSet(NamedTuple):
    """Scenes already read by an encoder: memory (n, M, D), captions and targets."""

    memory: Tensor
    captions: Tensor
    targets: Tensor

    def batches(self, size: int, *, seed: int) -> Iterator[SceneBatch]:
        """All of it in a random order, in batches of one size."""
        draw = torch.Generator().manual_seed(seed)
        for rows in torch.randperm(len(self.memory), generator=draw).split(size):
            if len(rows) == size:
                yield SceneBatch(*(part[rows] for part in self))


@torch.no_grad()
def read_regions(encoder: RegionEncoder, data: SceneSet) -> RegionSet:
    """Read all scenes once, for decoders that are trained on a fixed encoder."""
    memory = [encoder(part.float() / 255) for part in data.images.split(256)]
    return RegionSet(torch.cat(memory), data.captions, data.targets)


def train_image_captioner(
    data: SceneSet,
    attention: str = "soft",
    *,
    seed: int = 1,
    steps: int | None = None,
    recipe: CaptionRecipe = CAPTION_RECIPE,
    progress: bool = True,
    **options: Any,
) -> tuple[Captioner, History]:
    """Train encoder and decoder together, with "soft" or "mean" attention.

    Args:
        data: the scenes to learn from.
        attention, options: of `Captioner`.
        seed: of weights and order.
        steps: those of the recipe if None.

    Returns:
        The model in evaluation mode, and the history of its training.
    """
    seed_everything(seed)
    model = Captioner(len(scene_vocabulary()), attention, **options)
    history = fit(
        model,
        lambda number: data.batches(recipe.size, seed=1000 * seed + number),
        caption_loss,
        steps=recipe.steps if steps is None else steps,
        lr=recipe.lr,
        seed=seed,
        progress=progress,
    )
    return model.eval(), history


def train_hard(
    encoder: RegionEncoder,
    read: RegionSet,
    *,
    seed: int = 1,
    steps: int | None = None,
    recipe: CaptionRecipe = CAPTION_RECIPE,
    progress: bool = True,
) -> tuple[Captioner, History]:
    """Train a decoder with hard attention on an encoder that stays as it is.

    So did the paper, whose encoder was a network trained before; here it is that of
    the captioner with soft attention. The decoder begins anew.

    Args:
        encoder: with which `read` was read.
        read: the scenes to learn from.

    Returns:
        A captioner of this very encoder and the new decoder, in evaluation mode, and
        the history of its training.
    """
    seed_everything(seed)
    steps = recipe.decoder_steps if steps is None else steps
    model = Captioner.beside(encoder, len(scene_vocabulary()), "hard")
    history = fit(
        model.decoder,
        lambda number: read.batches(recipe.size, seed=1000 * seed + number),
        Reinforce(steps, factor=recipe.factor, entropy=recipe.entropy),
        steps=steps,
        lr=recipe.lr,
        seed=seed,
        progress=progress,
    )
    return model.eval(), history


class Report(NamedTuple):
    """What a captioner did on scenes: `ids` (n, T) it wrote; `right` (n, T) and `exact`
    (n,), whether a word and a caption are right; `weights` (n, T, M) where it looked
    while the true caption was fed; `points` (n, T), whether the largest weight lies on
    the true place of the word, False for words that have none."""

    ids: Tensor
    right: Tensor
    exact: Tensor
    weights: Tensor
    points: Tensor


@torch.no_grad()
def report(model: Captioner, data: SceneSet) -> Report:
    """Write captions for scenes, and look where the model looks."""
    ids, rows = [], []
    longest = data.targets.shape[1]
    for images, captions in zip(
        data.images.split(256), data.captions.split(256), strict=True
    ):
        memory = model.encoder(images.float() / 255)
        found = model.decoder.generate(memory, max_len=longest)
        ids.append(F.pad(found, (0, longest - found.shape[1])))
        rows.append(model.decoder(memory, captions, need_weights=True)[1])
    written, weights = torch.cat(ids), torch.cat(rows)
    right = written == data.targets
    truth = data.truth(model.encoder.rows, model.encoder.columns)
    points = truth.gather(2, weights.argmax(-1, keepdim=True))[..., 0]
    return Report(written, right, right.all(1), weights, points)
