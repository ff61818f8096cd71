"""Exercises 3 to 5 of the chapter `rnn/captioning`: coverage, reward, baseline."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# -------------------------------------------------------- 3 · each region about once


def coverage_penalty(weights: Tensor, real: Tensor) -> float:
    """How far the regions are from being looked at once each.

    Args:
        weights: (T, M); row t says how word t spends its look.
        real: boolean (T,), False for padded words: they do not count.

    Returns:
        The sum over the regions of (1 - what the words spend on it) squared.
    """
    spent = weights[real].sum(0)  # (M,)
    return (1 - spent).square().sum().item()


def _coverage_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for t, m, k in ((4, 3, 3), (6, 5, 6), (3, 8, 2), (9, 16, 8)):
        scores = draw(generator, (t, m))[0]
        yield (2 * scores).softmax(-1), torch.arange(t) < k


def _coverage_by_loops(weights, real):
    total = 0.0
    for i in range(weights.shape[1]):
        spent = sum(float(weights[t, i]) for t in range(len(weights)) if bool(real[t]))
        total += (1 - spent) ** 2
    return total


def _coverage_by_product(weights, real):
    missing = real.float() @ weights - 1
    return float(missing @ missing)


COVERAGE = Exercise(
    key="rnn.captioning.3",
    title="Each region about once",
    minutes=8,
    dots=2,
    learn="softmax makes rows sum to one; this penalty asks the same of the columns",
    reference=coverage_penalty,
    inputs=_coverage_inputs,
    alternatives=[_coverage_by_loops, _coverage_by_product],
    mistakes=[
        (
            lambda w, r: _coverage_by_product(w, torch.ones_like(r)),
            "The padded words count as well. Leave them out: their rows are no look "
            "at anything.",
        ),
        (
            lambda w, r: (1 - w[r].sum(1)).square().sum().item(),
            "You add along a row. Rows sum to one already, so this is zero; add over "
            "the words.",
        ),
        (
            lambda w, r: (1 - w[r]).square().sum().item(),
            "You square before you add up. First add what all words spend on a "
            "region, then compare with 1.",
        ),
        (
            lambda w, r: (1 - w[r].mean(0)).square().sum().item(),
            "You take the mean over the words. The sum is to be 1, not the mean.",
        ),
        (
            lambda w, r: (1 - w[r].sum(0)).square().mean().item(),
            "You take the mean over the regions. The penalty is their sum.",
        ),
        (
            lambda w, r: (1 - w[r].sum(0)).sum().square().item(),
            "You add up the regions first, and too much here cancels too little "
            "there. Square each, then add.",
        ),
    ],
    hints=[
        "`weights[real]` holds the rows that count.",
        "Their sum over the words is one number per region.",
        "`(1 - spent).square().sum().item()`",
    ],
)

# ------------------------------------------------------------- 4 · what a glimpse earns


def reward_to_go(log_probs: Tensor, real: Tensor) -> Tensor:
    """The reward of each glimpse: the log-probabilities of the words from it on.

    Args:
        log_probs: (B, T), the log-probability of each target word.
        real: boolean (B, T), False for padded words: they earn nothing.

    Returns:
        (B, T); entry t is the sum over the real words t, t + 1, ...
    """
    earned = log_probs * real  # (B, T)
    return earned.flip(1).cumsum(1).flip(1)


def _reward_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for b, t in ((1, 1), (2, 4), (3, 9)):
        logs = -draw(generator, (b, t))[0].abs()
        length = torch.randint(1, t + 1, (b, 1), generator=generator)
        if t > 1:
            length[0] = t - 1
        yield logs, torch.arange(t) < length


def _reward_by_loops(log_probs, real):
    out = torch.zeros_like(log_probs)
    for b in range(log_probs.shape[0]):
        total = 0.0
        for t in range(log_probs.shape[1] - 1, -1, -1):
            total = total + float(log_probs[b, t]) * float(real[b, t])
            out[b, t] = total
    return out


def _reward_by_matrix(log_probs, real):
    steps = log_probs.shape[1]
    return torch.where(real, log_probs, 0) @ torch.ones(steps, steps).tril()


REWARD = Exercise(
    key="rnn.captioning.4",
    title="What a glimpse earns",
    minutes=10,
    dots=2,
    learn="a glimpse can only be praised for the words that come after it",
    reference=reward_to_go,
    inputs=_reward_inputs,
    alternatives=[_reward_by_loops, _reward_by_matrix],
    mistakes=[
        (
            lambda p, r: (p * r).cumsum(1),
            "You add the words *before* a glimpse. It cannot have caused them: add "
            "from its own word on.",
        ),
        (
            lambda p, r: _reward_by_loops(p, r) - p * r,
            "The glimpse's own word is missing. It looks first and then writes: this "
            "word is its first reward.",
        ),
        (
            lambda p, r: _reward_by_loops(p, torch.ones_like(r)),
            "Padded words earn something here. Set them to zero before you add.",
        ),
        (
            lambda p, r: (p * r).sum(1, keepdim=True).expand_as(p).clone(),
            "Every glimpse gets the reward of the whole caption. That is right on "
            "average too, and noisier; asked is the reward from its word on.",
        ),
        (
            lambda p, r: _reward_by_loops(p.exp(), r),
            "You add probabilities. The reward is made of their logarithms.",
        ),
        (
            lambda p, r: -_reward_by_loops(p, r),
            "The sign is turned: this is a loss. A reward is larger when the words "
            "are more probable.",
        ),
    ],
    hints=[
        "Padded words first: `log_probs * real` makes them zero.",
        "A sum from t to the end is a running sum from the end: `cumsum` of the "
        "reversed row.",
        "`.flip(1).cumsum(1).flip(1)`",
    ],
)

# ---------------------------------------------------------------- 5 · a moving baseline


def advantages(rewards: Tensor, momentum: float) -> Tensor:
    """What each batch earned beyond what was expected before it.

    Args:
        rewards: (K, T), the mean reward of step t in batch k, in the order in which
            the batches came.
        momentum: how much of the old baseline stays when it moves, from 0 to 1.

    Returns:
        (K, T): the reward minus the baseline as it was *before* the batch. The
        baseline begins as the first batch's reward, and after each batch it becomes
        momentum * baseline + (1 - momentum) * reward.
    """
    baseline, found = rewards[0], []
    for reward in rewards:
        found.append(reward - baseline)
        baseline = momentum * baseline + (1 - momentum) * reward
    return torch.stack(found)


def _advantage_inputs(generator: Generator) -> Iterator[tuple[Tensor, float]]:
    for k, t, momentum in ((3, 2, 0.5), (6, 1, 0.9), (5, 4, 0.7), (12, 9, 0.9)):
        yield draw(generator, (k, t))[0] - 3, momentum


def _advantages_in_place(rewards, momentum):
    out = torch.empty_like(rewards)
    mean = rewards[0].clone()
    for k in range(len(rewards)):
        out[k] = rewards[k] - mean
        mean += (1 - momentum) * out[k]
    return out


def _advantages_by_weights(rewards, momentum):
    out = torch.zeros_like(rewards)
    for k in range(1, len(rewards)):
        share = torch.tensor([(1 - momentum) * momentum**i for i in range(k)][::-1])
        start = momentum**k * rewards[0]
        out[k] = rewards[k] - start - (share[:, None] * rewards[:k]).sum(0)
    return out


def _advantages_moved_first(rewards, momentum):
    baseline, found = rewards[0], []
    for reward in rewards:
        baseline = momentum * baseline + (1 - momentum) * reward
        found.append(reward - baseline)
    return torch.stack(found)


def _advantages_from_zero(rewards, momentum):
    baseline, found = torch.zeros_like(rewards[0]), []
    for reward in rewards:
        found.append(reward - baseline)
        baseline = momentum * baseline + (1 - momentum) * reward
    return torch.stack(found)


BASELINE = Exercise(
    key="rnn.captioning.5",
    title="A moving baseline",
    minutes=12,
    dots=3,
    learn="a baseline may know the past, never the draw that it judges",
    reference=advantages,
    inputs=_advantage_inputs,
    alternatives=[_advantages_in_place, _advantages_by_weights],
    mistakes=[
        (
            _advantages_moved_first,
            "You move the baseline before you subtract it. Then it contains the very "
            "reward it is to judge, and the gradient is no longer right on average.",
        ),
        (
            _advantages_from_zero,
            "Your baseline begins at zero. It begins as the first batch's reward, so "
            "that the first batches are not all a disappointment.",
        ),
        (
            lambda r, m: _advantages_in_place(r, 1 - m),
            "Momentum and its rest are swapped: momentum is the part that *stays*.",
        ),
        (
            lambda r, m: r - r.mean(0),
            "You subtract the mean of all batches, later ones included. The baseline "
            "knows only what came before.",
        ),
        (
            lambda r, m: torch.cat([torch.zeros_like(r[:1]), r[1:] - r[:-1]]),
            "You compare with the last batch alone. The baseline remembers all "
            "batches, older ones less.",
        ),
        (
            lambda r, m: -_advantages_in_place(r, m),
            "The sign is turned: reward minus baseline, so that better than expected "
            "is positive.",
        ),
    ],
    hints=[
        "Keep one row, the baseline, and walk through the batches.",
        "Subtract first, then move the baseline.",
        "`baseline = momentum * baseline + (1 - momentum) * reward`",
    ],
)
