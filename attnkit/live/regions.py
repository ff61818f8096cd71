"""`WordToRegion`: trained captioners at work on a scene, in the page.

The widget knows no family by name: it asks each model for `encoder` (with `rows` and
`columns`), `decoder` (with `start` and `step`) and `page_entries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnkit.data import BOS, EOS, PAD
from attnkit.data.scenes import (
    COLOURS,
    LATTICE,
    LONGEST,
    PAPER,
    SHAPES,
    SIZE,
    Thing,
    draw_scene,
    scene_vocabulary,
    stamps,
)
from attnkit.live.checks import as_whole, check_has
from attnkit.live.pack import kept, pack_if_possible
from attnkit.live.widget import LiveWidget
from attnkit.live.writer import Entry

Scene = Sequence[Thing | Sequence[Any]]
TAPS = ("look", "draw")


class WordToRegion(LiveWidget):
    """Which region each word of a caption reads; draw a scene, blank a region.

    Args:
        models: trained `attnkit.rnn.Captioner`s by name, as {"soft": …, "hard": …}, or
            one alone. They may share an encoder, which then travels once.
        scenes: scenes to pick from, each a list of things (colour, shape, row, column).
        kind: the model that is shown first; the first one if None.
        word: number of the word that is selected first.
        blank: numbers of regions that are blank at first.
        mark: the region of the first scene that the prediction asks about; one whose
            blanking changes the fewest words if None.
        precision: of the weights in the page, "float32" or "float16".
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: no scene, a thing that cannot be drawn, an unknown model or
            precision, or a number of a word or region that there is not.
    """

    template: ClassVar[str] = (
        "# soft, hard and shown stand for those of this chapter\n"
        "from attnkit.live import WordToRegion\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["output"])\nwidget'
    )
    spoken: ClassVar[dict[str, str]] = {
        "models": '{"soft": soft, "hard": hard}',
        "scenes": "shown",
    }
    CAPTION: ClassVar[str] = (
        "With soft attention, a word that names a colour or a shape is read off the "
        "region where the thing is. Blank that region and the word changes."
    )
    heights: ClassVar = [
        (288, 1487, 1681), (305, 1491, 1635), (306, 1431, 1563), (336, 1446, 1590),
        (384, 1445, 1577), (408, 1405, 1525), (480, 1481, 1601), (576, 1426, 1522),
        (665, 1472, 1568), (666, 869, 965), (720, 885, 981), (768, 841, 925),
        (888, 875, 959),
    ]  # fmt: skip

    def __init__(
        self,
        models: nn.Module | Mapping[str, nn.Module],
        scenes: Sequence[Scene],
        *,
        kind: str | None = None,
        word: int = 0,
        blank: Sequence[int] = (),
        mark: int | None = None,
        precision: str = "float16",
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        if not scenes:
            raise ValueError("scenes: expected at least one, got none")
        named = dict(models) if isinstance(models, Mapping) else {"soft": models}
        self.models = _kept(named, precision)
        self.kinds = list(named)
        encoder = self.models[self.kinds[0]].encoder
        self.rows, self.columns = encoder.rows, encoder.columns
        listed = [_listed(scene) for scene in scenes]
        first = self._write(self.kinds[0], listed[0], ())
        state = {
            "scene": listed[0],
            "kind": self.kinds[0] if kind is None else kind,
            "word": as_whole("word", word, 0, len(first["tokens"]) - 1),
            "region": int(first["weights"][word].argmax()),
            "blank": list(blank),
            "tap": "look",
            "colour": "red",
            "shape": "circle",
            "guess": "",
            "revealed": False,
        }
        self.check_state(state)
        top = self.rows * self.columns - 1
        mark = self._mark(listed[0]) if mark is None else as_whole("mark", mark, 0, top)
        packed = pack_if_possible(lambda: _entries(self.models), precision)
        data = packed | self._known(listed, mark)
        traits = {"kind": "word_to_region", **traits}
        super().__init__(data, state, caption=caption or self.CAPTION, **traits)
        self.alt = alt or self._say()

    def _known(self, scenes: list[list], mark: int) -> dict[str, Any]:
        """What the page has to know besides the models."""
        symbols = scene_vocabulary().symbols
        first = self._write(self.kinds[0], scenes[0], ())
        cover = (stamps()[:, 1, 1].double() * 1e4).round() / 1e4
        return {
            "kinds": self.kinds,
            "scenes": scenes,
            "mark": mark,
            "first": " ".join(scene_vocabulary().decode(first["tokens"])),
            "rows": self.rows,
            "columns": self.columns,
            "places": self.rows * self.columns,
            "size": SIZE,
            "lattice": LATTICE,
            "paper": PAPER,
            "palette": {name: list(rgb) for name, rgb in COLOURS.items()},
            "stamps": dict(zip(SHAPES, cover.flatten(1).tolist(), strict=True)),
            "symbols": list(symbols),
            "pad": PAD,
            "bos": BOS,
            "eos": EOS,
            "max_steps": LONGEST,
        }

    def check_state(self, state: dict[str, Any]) -> None:
        """A model, a word and regions that there are, and things that can be drawn."""
        for name, known in (
            ("kind", self.kinds), ("tap", TAPS), ("colour", COLOURS), ("shape", SHAPES)
        ):  # fmt: skip
            if state[name] not in known:
                wanted = " or ".join(known)
                raise ValueError(f"{name}: expected {wanted}, got {state[name]!r}")
        draw_scene(_things(state["scene"]))
        as_whole("word", state["word"], 0)
        for region in (state["region"], *state["blank"]):
            as_whole("region", region, 0, self.rows * self.columns - 1)

    # ---- the same numbers from torch -------------------------------------------------

    def forward(self) -> dict[str, Any]:
        """What the page shows for the present state, computed by torch.

        Returns:
            output (list of words), tokens (T,), weights and chances (T, M), logits
            (T, V), entropy (T,) of the chances in nats; the end is the last.
        """
        out = self._write(self.state["kind"], self.state["scene"], self.state["blank"])
        words = scene_vocabulary().decode(out["tokens"])
        return {
            "output": words,
            **out,
            "entropy": torch.special.entr(out["chances"]).sum(-1),
        }

    def rpc_write(
        self, kind: str, scene: Scene, blank: Sequence[int]
    ) -> dict[str, Any]:
        """Answer the page where it could not run the model itself."""
        free = self._write(kind, scene, ())
        return {
            "free": free,
            "used": self._write(kind, scene, blank) if blank else free,
        }

    def image(self, scene: Scene, blank: Sequence[int] = ()) -> Tensor:
        """The scene as the model gets it: (3, Y, X), blank regions painted over."""
        image = draw_scene(_things(scene))
        high, wide = SIZE // self.rows, SIZE // self.columns
        for region in blank:
            top, left = region // self.columns * high, region % self.columns * wide
            image[:, top : top + high, left : left + wide] = PAPER
        return image

    @torch.no_grad()
    def _write(
        self, kind: str, scene: Scene, blank: Sequence[int]
    ) -> dict[str, Tensor]:
        """Greedy search; PAD and BOS are never written."""
        model, rows = self.models[kind], []
        memory = model.encoder(self.image(scene, blank)[None])
        state, token = model.decoder.start(memory), torch.tensor([BOS])
        while len(rows) < LONGEST and (not rows or token != EOS):
            logits, state, look = model.decoder.step(token, state, memory)
            allowed = logits.clone()
            allowed[:, [PAD, BOS]] = -torch.inf
            token = allowed.argmax(-1)
            rows.append((token[0], look.weights[0], look.chances[0], logits[0]))
        names = ("tokens", "weights", "chances", "logits")
        return dict(zip(names, map(torch.stack, zip(*rows, strict=True)), strict=True))

    def _mark(self, scene: Scene) -> int:
        """The region without which the fewest words are others, but at least one."""
        whole = self._write(self.kinds[0], scene, ())["tokens"].tolist()
        found = []
        for region in range(self.rows * self.columns):
            other = self._write(self.kinds[0], scene, [region])["tokens"].tolist()
            count = sum(a != b for a, b in zip(whole, other, strict=False))
            count += abs(len(whole) - len(other))
            found.append((count or 99, region))
        return min(found)[1]

    # ---- the static picture ----------------------------------------------------------

    def _say(self) -> str:
        out = self.forward()
        things = " and ".join(
            f"a {c} {s} in row {y + 1}, column {x + 1}"
            for c, s, y, x in self.state["scene"]
        )
        reads = ", ".join(
            f"{word} reads row {int(w.argmax()) // self.columns + 1}, "
            f"column {int(w.argmax()) % self.columns + 1}"
            for word, w in zip(out["output"], out["weights"], strict=False)
        )
        scene = f"A scene of {things}" if things else "An empty scene"
        return f"{scene}, captioned “{' '.join(out['output'])}”: {reads}."

    def draw(self) -> Any:
        """The scene, and under each word the regions that it reads."""
        from attnkit import plot

        plot.use_style()
        out = self.forward()
        image = self.image(self.state["scene"], self.state["blank"])
        count = len(out["output"])
        weights = out["weights"][:count].reshape(count, self.rows, self.columns)
        return looks(image, out["output"], weights)


def looks(image: Tensor, words: Sequence[str], weights: Tensor) -> Any:
    """The image once per word, with frames as thick as weights (T, rows, columns)."""
    from attnkit import paper, plot
    from attnkit.palette import COLOURS as INKS

    columns = min(4, max(1, len(words)))
    lines = -(-max(1, len(words)) // columns)
    figure, axes = plot.panels(lines, columns, height=1.8)
    flat = [*axes.flat] if hasattr(axes, "flat") else [axes]
    for ax in flat:
        ax.axis("off")
    for ax, word, weight in zip(flat, words, weights, strict=False):
        ax.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy())
        ax.set_title(paper.literal(word), fontsize=10)
        frame_regions(ax, weight, INKS["weight"])
    return figure


def frame_regions(ax: Any, weights: Tensor, colour: str) -> None:
    """Frames around regions of an image, as thick as their weights (rows, columns)."""
    rows, columns = weights.shape
    high, wide = SIZE / rows, SIZE / columns
    for y in range(rows):
        for x in range(columns):
            weight = float(weights[y, x])
            if weight > 0.02:
                inset = 0.5 + 1.5 * weight
                left, top = x * wide - 0.5 + inset, y * high - 0.5 + inset
                box = ((left, top), wide - 2 * inset, high - 2 * inset)
                ax.add_patch(_frame(*box, colour, 0.5 + 4 * weight))


def _frame(corner: tuple, wide: float, high: float, colour: str, width: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, wide, high, fill=False, edgecolor=colour, linewidth=width)


def _kept(models: Mapping[str, nn.Module], precision: str) -> nn.ModuleDict:
    """A copy in evaluation mode; what models share is still shared."""
    for model in models.values():
        check_has("models", model, "encoder", "forward")
    return kept(nn.ModuleDict(dict(models)), precision)


def _entries(models: Mapping[str, nn.Module]) -> dict[str, Entry]:
    """What the page can run of all models."""
    return {
        f"{kind}_{name}": entry
        for kind, model in models.items()
        for name, entry in model.page_entries().items()
    }


def _things(scene: Scene) -> list[Thing]:
    try:
        return [Thing(*thing) for thing in scene]
    except TypeError as error:
        raise ValueError(
            f"scene: expected things (colour, shape, row, column), got {scene!r}"
        ) from error


def _listed(scene: Scene) -> list[list]:
    """A scene as lists, once it is known that it can be drawn."""
    things = _things(scene)
    draw_scene(things)
    return [list(thing) for thing in things]
