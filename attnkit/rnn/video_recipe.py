"""The one place that holds task, training and measures of the chapter on video."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnkit.data import PAD
from attnkit.data.clips import COLOURS, MOTIONS, SHAPES, Clips, MovingShapes
from attnkit.processes import threads
from attnkit.train import History, fit, seed_everything

from .video import FrameCNN, VideoCaptioner


@dataclass(frozen=True)
class VideoRecipe:
    """3,000 clips; 300 steps of 64 pairs of frames for the eye, 400 of 64 clips for a
    captioner."""

    clips: int = 3000
    dim: int = 48
    size: int = 64
    eye_steps: int = 300
    eye_lr: float = 1e-2
    steps: int = 400
    lr: float = 1e-2
    hidden_dim: int = 64


VIDEO = VideoRecipe()


def training_clips(seed: int = 1, n: int = VIDEO.clips, **options: tuple) -> Clips:
    """Clips with captions of the training side of the split."""
    draw = torch.Generator().manual_seed(seed)
    return MovingShapes(**options).draw(n, draw, split="train")


def held_out_clips(seed: int = 1, n: int = 400, **options: tuple) -> Clips:
    """Clips with captions of the other side; options of `MovingShapes`."""
    draw = torch.Generator().manual_seed(2**20 + seed)
    return MovingShapes(**options).draw(n, draw, split="test", progress=False)


# ------------------------------------------------------------------------- the eye


class _Named(nn.Module):
    """An eye with three layers that name colour, shape and motion of a frame."""

    def __init__(self, eye: FrameCNN) -> None:
        super().__init__()
        self.eye = eye
        sizes = len(COLOURS), len(SHAPES), len(MOTIONS)
        self.heads = nn.ModuleList(nn.Linear(eye.dim, size + 1) for size in sizes)

    def forward(self, pairs: Tensor) -> list[Tensor]:
        value = self.eye(pairs)[:, 1]  # (B, D), of the second frame
        return [head(value) for head in self.heads]


def _pairs(clips: Clips, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring frames, labels of the second; three of four show something."""
    draw = torch.Generator().manual_seed(seed)
    shows = clips.labels.any(-1)[:, 1:]  # (B, T - 1)
    some, none = shows.nonzero(), (~shows).nonzero()
    for _ in range(100):
        part = [
            rows[torch.randint(len(rows), (count,), generator=draw)]
            for rows, count in ((some, size - size // 4), (none, size // 4))
        ]
        clip, time = torch.cat(part).unbind(1)
        pairs = torch.stack([clips.frames[clip, time + i] for i in (0, 1)], 1)
        yield pairs, clips.labels[clip, time + 1]


def _naming_loss(model: _Named, batch: tuple[Tensor, Tensor]) -> Tensor:
    pairs, labels = batch
    named = zip(model(pairs), labels.unbind(1), strict=True)
    return sum(F.cross_entropy(logits, label) for logits, label in named)


def train_eye(
    clips: Clips, *, seed: int = 1, recipe: VideoRecipe = VIDEO, progress: bool = True
) -> tuple[FrameCNN, nn.ModuleList, History]:
    """Train the eye to name what two neighbouring frames show; it sees no caption.

    Args:
        clips: their frames and labels are used.
        seed: of weights and order.
        recipe: the settings.
        progress: show a progress bar.

    Returns:
        The eye in evaluation mode and without gradients, the three layers that name,
        and the history.
    """
    seed_everything(seed)
    model = _Named(FrameCNN(recipe.dim))
    with threads(1):
        history = fit(
            model,
            lambda number: _pairs(clips, recipe.size, 1000 * seed + number),
            _naming_loss,
            steps=recipe.eye_steps,
            lr=recipe.eye_lr,
            seed=seed,
            progress=progress,
        )
    model.eval().requires_grad_(False)
    return model.eye, model.heads, history


# ------------------------------------------------------------------- the captioner


def caption_loss(model: VideoCaptioner, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean negative log-probability of the words, given those before."""
    values, captions = batch
    logits = model(values, captions[:, :-1])  # (B, L, V)
    return F.cross_entropy(
        logits.flatten(0, 1), captions[:, 1:].flatten(), ignore_index=PAD
    )


def _batches(
    values: Tensor, captions: Tensor, size: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    for rows in order[: len(order) // size * size].split(size):
        yield values[rows], captions[rows]


def train_captioner(
    values: Tensor,
    captions: Tensor,
    encoder: str | None = "rnn",
    *,
    seed: int = 1,
    recipe: VideoRecipe = VIDEO,
    progress: bool = True,
    **options: Any,
) -> tuple[VideoCaptioner, History]:
    """Train a captioner on values that the eye made; some seconds on one core.

    Args:
        values: (B, T, D), at least `recipe.size` clips.
        captions: (B, L + 1) of the same clips.
        encoder: as in `VideoCaptioner`.
        seed: of weights and order.
        recipe: the settings.
        progress: show a progress bar.
        options: further options of `VideoCaptioner`: `attention`, `reads`, `decoder`;
            one's own decoder gets no `hidden_dim`.

    Returns:
        The model in evaluation mode, and the history of its training.

    Raises:
        ValueError: values and captions of different numbers of clips, or too few.
    """
    if len(values) != len(captions) or len(values) < recipe.size:
        raise ValueError(
            f"captions: expected as many as values and at least {recipe.size}, got "
            f"{len(captions)} for {len(values)}"
        )
    seed_everything(seed)
    if options.get("decoder") is None:
        options = {"hidden_dim": recipe.hidden_dim, **options}
    model = VideoCaptioner(encoder, dim=values.shape[2], **options)
    with threads(1):
        history = fit(
            model,
            lambda number: _batches(
                values, captions, recipe.size, 1000 * seed + number
            ),
            caption_loss,
            steps=recipe.steps,
            lr=recipe.lr,
            seed=seed,
            progress=progress,
        )
    return model.eval(), history


# ------------------------------------------------------------------------ measures


@torch.no_grad()
def without_look(
    model: VideoCaptioner, values: Tensor, clips: Clips, kind: str
) -> Tensor:
    """The words that a model finds most probable when it cannot see what they name.

    While it writes a word of one kind, the frames that show this word are hidden, at
    this word only; the others share the weight. The true caption is fed in (teacher
    forcing), so that each word is asked for by itself.

    Args:
        model: in evaluation mode.
        values: (B, T, D) of the clips.
        clips: with captions and truth.
        kind: "colour", "shape" or "motion".

    Returns:
        (B, L) numbers of words.
    """
    hidden = clips.truth & clips.kinds()[kind][..., None]  # (B, L, T)
    memory, keys = model.encode(values)
    state, said = model.decoder.start(memory), []
    for i, token in enumerate(clips.captions[:, :-1].unbind(1)):
        there = ~hidden[:, i]
        logits, state, _ = model.decoder.step(token, state, memory, keys, there)
        said.append(logits.argmax(-1))
    return torch.stack(said, 1)


class ClipScores(NamedTuple):
    """`words` share of right words when the model writes alone, place by place;
    `exact` share of captions without any error. The rest is measured while the true
    caption is fed in (teacher forcing): `pointing` share of content words whose largest
    weight lies on a true frame; `mass` the weight on the true frames; `chance` what
    uniform weights would get for both; `kinds` pointing of colours, shapes and
    motions."""

    words: float
    exact: float
    pointing: float
    mass: float
    chance: float
    kinds: dict[str, float]


def right_words(written: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L) which words are right, and which places count (the end sign does).

    Args:
        written: (B, L') what a model wrote.
        captions: (B, L + 1) the truth, beginning with BOS.
    """
    target = captions[:, 1:]
    found = torch.full_like(target, PAD)
    size = min(found.shape[1], written.shape[1])
    found[:, :size] = written[:, :size]
    return found == target, target != PAD


@torch.no_grad()
def evaluate_clips(
    model: VideoCaptioner, values: Tensor, clips: Clips, mask: Tensor | None = None
) -> ClipScores:
    """Write a caption for every clip and compare; weights are those of teacher forcing.

    Args:
        model: in evaluation mode.
        values: (B, T, D) of the clips.
        clips: with captions and truth.
        mask: boolean (B, T), True = the frame is there.
    """
    longest = clips.captions.shape[1] - 1
    written, _ = model.caption(values, mask, max_len=longest)
    right, counts = right_words(written, clips.captions)
    _, weights = model(values, clips.captions[:, :-1], mask, need_weights=True)
    content = clips.truth.any(-1)  # (B, L)
    best = weights.argmax(-1, keepdim=True)
    hit = clips.truth.gather(-1, best)[..., 0].float()
    mass = (weights * clips.truth).sum(-1)[content]
    kinds = clips.kinds()
    del kinds["function"]
    return ClipScores(
        (right & counts).sum().item() / counts.sum().item(),
        (right | ~counts).all(1).float().mean().item(),
        hit[content].mean().item(),
        mass.mean().item(),
        clips.truth.float().mean(-1)[content].mean().item(),
        {name: hit[rows & content].mean().item() for name, rows in kinds.items()},
    )
