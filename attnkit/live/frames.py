"""`WordToFrame`: a trained captioner at work on clips, in the page.

The widget knows no family by name: it asks a model for `encode`, `step` and
`page_entries`, and for clips with their frames, captions and truth.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnkit.data import BOS, EOS, PAD
from attnkit.data.clips import BACKGROUND, VOCABULARY, as_floats
from attnkit.live.checks import as_whole, check_has
from attnkit.live.pack import kept, pack_if_possible
from attnkit.live.widget import LiveWidget


class WordToFrame(LiveWidget):
    """Which frames each word of a caption reads; blank a frame and it writes again.

    Args:
        model: a trained `attnkit.rnn.ClipReader`, or any module with `encode(frames)`,
            `step(token, state, memory, keys)` and `page_entries(frames)`. A copy in
            evaluation mode is kept.
        clips: `attnkit.data.Clips`, at most 4, all of one length.
        clip: the one that is shown first.
        word: number of the word that is selected first.
        blank: numbers of frames that are blank at first.
        mark: the frame of clip 0 that the prediction asks about; one whose blanking
            changes a single word if None, or else the first frame.
        max_steps: most words, the end included.
        precision: of the weights in the page, "float32" or "float16".
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: too many clips, or a number of a clip, frame or word that there is
            not, or an unknown precision.
    """

    template: ClassVar[str] = (
        "# reader and shown stand for those of this chapter\n"
        "from attnkit.live import WordToFrame\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["output"])\nwidget'
    )
    spoken: ClassVar[dict[str, str]] = {"model": "reader", "clips": "shown"}
    CAPTION: ClassVar[str] = (
        "Colour and shape are read where the thing stands still, the direction where "
        "it is a moving smear: rings mark the frames that truly show it. Play the "
        "clip, then blank a frame and see what is written without it."
    )
    heights: ClassVar = [
        (288, 1823, 1946), (312, 1782, 1866), (336, 1801, 1885), (360, 1757, 1841),
        (408, 1794, 1878), (432, 1751, 1823), (480, 1788, 1860), (504, 1762, 1822),
        (585, 1782, 1842), (586, 1599, 1671), (600, 1570, 1630), (665, 1585, 1645),
        (666, 1208, 1268), (888, 1241, 1301),
    ]  # fmt: skip

    def __init__(
        self,
        model: nn.Module,
        clips: Any,
        *,
        clip: int = 0,
        word: int = 0,
        blank: Sequence[int] = (),
        mark: int | None = None,
        max_steps: int = 14,
        precision: str = "float16",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        check_has("clips", clips, "frames", "words", "truth")
        count, length = clips.frames.shape[:2]
        if not 1 <= count <= 4:
            raise ValueError(f"clips: expected 1 to 4, got {count}")
        self.model = kept(model, precision)
        self.clips, self.max_steps = clips, as_whole("max_steps", max_steps, 1)
        data = pack_if_possible(lambda: self.model.page_entries(length), precision)
        data |= {
            "clips": [_clip(clips, i) for i in range(count)],
            "frames": length,
            "size": clips.frames.shape[-1],
            "background": BACKGROUND,
            "symbols": list(VOCABULARY.symbols),
            "pad": PAD,
            "bos": BOS,
            "eos": EOS,
            "max_steps": max_steps,
        }
        state = {"clip": as_whole("clip", clip, 0, count - 1), "word": word}
        state |= {"frame": 0, "blank": list(blank), "guess": "", "revealed": False}
        free = self._write(clip, ())
        as_whole("word", word, 0, len(free["tokens"]) - 1)
        state["frame"] = int(free["weights"][word].argmax())
        top = length - 1
        data["mark"] = self._mark() if mark is None else as_whole("mark", mark, 0, top)
        self._sizes = {"clip": count, "frame": length}
        self.check_state(state)
        traits = {"kind": "word_to_frame", **traits}
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """A clip, a word and frames that there are."""
        as_whole("clip", state["clip"], 0, self._sizes["clip"] - 1)
        as_whole("word", state["word"], 0)
        for frame in (state["frame"], *state["blank"]):
            as_whole("frame", frame, 0, self._sizes["frame"] - 1)

    # ---- the same numbers from torch -------------------------------------------------

    def forward(self) -> dict[str, Any]:
        """What the page shows for the present state, computed by torch.

        Returns:
            output (list of words), tokens (L,), weights (L, T), logits (L, V), entropy
            (L,) in nats; the end is the last.
        """
        out = self._write(self.state["clip"], self.state["blank"])
        words = [VOCABULARY.symbols[i] for i in out["tokens"] if i != EOS]
        return {"output": words, **out, "entropy": _entropy(out["weights"])}

    def rpc_write(self, clip: int, blank: Sequence[int]) -> dict[str, Any]:
        """Answer the page where it could not run the model itself."""
        free = self._write(clip, ())
        return {"free": free, "used": self._write(clip, blank) if blank else free}

    @torch.no_grad()
    def _write(self, clip: int, blank: Sequence[int]) -> dict[str, Tensor]:
        """Greedy search; PAD and BOS are never written."""
        frames = as_floats(self.clips.frames[clip : clip + 1]).clone()
        frames[:, list(blank)] = BACKGROUND
        memory = self.model.encode(frames)
        state, rows = memory.pop("state"), []
        token = torch.tensor([BOS])
        while len(rows) < self.max_steps and (not rows or token != EOS):
            logits, state, weights = self.model.step(token, state, **memory)
            allowed = logits.clone()
            allowed[:, [PAD, BOS]] = -torch.inf
            token = allowed.argmax(-1)
            rows.append((token[0], weights[0], logits[0]))
        tokens, weights, logits = map(torch.stack, zip(*rows, strict=True))
        return {"tokens": tokens, "weights": weights, "logits": logits}

    def _mark(self) -> int:
        """A frame of clip 0 without which just one word is another, if there is one:
        best a word that this frame shows."""
        whole, found = self._write(0, ())["tokens"].tolist(), []
        for frame in range(self.clips.frames.shape[1]):
            tokens = self._write(0, [frame])["tokens"].tolist()
            other = [
                i
                for i, pair in enumerate(zip(whole, tokens, strict=False))
                if len({*pair}) > 1
            ]
            if len(tokens) == len(whole) and len(other) == 1:
                shows = bool(self.clips.truth[0, other[0], frame])
                found.append((not shows, frame))
        return min(found)[1] if found else 0

    # ---- the static picture ----------------------------------------------------------

    def _say(self) -> str:
        out = self.forward()
        reads = [
            f"{word} reads frame {int(row.argmax()) + 1}"
            for word, row in zip(out["output"], out["weights"], strict=False)
        ]
        caption = " ".join(out["output"])
        return f"A clip of {self._sizes['frame']} frames, captioned “{caption}”: " + (
            ", ".join(reads) + "."
        )

    def draw(self) -> Any:
        """The frames of the first clip above the weights of every word."""
        from attnkit import plot

        plot.use_style()
        out, clip = self.forward(), self.state["clip"]
        figure, (top, low) = plot.panels(2, 1, height=1.9)
        top.get_gridspec().set_height_ratios([1, 5])
        strip = as_floats(self.clips.frames[clip]).permute(2, 0, 3, 1).flatten(1, 2)
        top.imshow(strip, aspect="auto")
        top.axis("off")
        count = len(out["output"])
        names = [str(i + 1) for i in range(self._sizes["frame"])]
        weights = out["weights"][:count].numpy()
        plot.heatmap(weights, out["output"], names, ax=low, column_title="frame")
        return figure


def _entropy(weights: Tensor) -> Tensor:
    return -(weights * weights.clamp_min(1e-30).log()).sum(-1)


def _clip(clips: Any, i: int) -> dict[str, Any]:
    """A clip for the page: its pixels as bytes, its words, the frames of each."""
    words = clips.words(i)
    pixels = clips.frames[i].contiguous().numpy().tobytes()
    truth = [row.nonzero()[:, 0].tolist() for row in clips.truth[i, : len(words)]]
    return {
        "frames": base64.b64encode(pixels).decode("ascii"),
        "target": words,
        "truth": truth,
    }
