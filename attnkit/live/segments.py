"""`SegmentMemory`: how far back an output sees, with states of earlier segments."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from attnkit.live.checks import as_whole
from attnkit.live.widget import LiveWidget

LENGTH = 40
LIMITS = {"segment": (2, 8), "memory": (0, 12), "layers": (1, 4)}
GOAL = 2
"""The place that the last output is to see, in the exercise."""
CACHED = 0.4


class SegmentMemory(LiveWidget):
    """A text of 40 symbols in segments: what an output depends on, layer by layer.

    Args:
        segment: symbols in a segment, 2 to 8.
        memory: states that each layer remembers, 0 to 12.
        layers: 1 to 4.
        target: the place of the output, from 0.
        caption, alt, slug: see `LiveWidget`.

    Raises:
        ValueError: a number out of its limits.
    """

    template: ClassVar[str] = (
        "from attnkit.live import SegmentMemory\n\nwidget = {made}\n"
        'widget.state = {state}\nprint(widget.forward()["first"])\nwidget'
    )
    CAPTION: ClassVar[str] = (
        "Every layer looks one memory further back: with three layers and a memory of "
        "8 the first symbol of a segment reaches 24 symbols before it. Set the memory "
        "to 0 and it sees nothing but itself."
    )

    heights: ClassVar = [
        (288, 1436, 1622), (294, 1439, 1625), (300, 1401, 1537), (339, 1381, 1517),
        (340, 1269, 1373), (384, 1273, 1377), (408, 1224, 1328), (456, 1249, 1353),
        (528, 1162, 1242), (665, 1234, 1314), (666, 918, 1010), (672, 864, 940),
        (888, 853, 929),
    ]  # fmt: skip

    def __init__(
        self,
        segment: int = 4,
        memory: int = 8,
        layers: int = 3,
        *,
        target: int = 36,
        caption: str | None = None,
        alt: str | None = None,
        **traits: Any,
    ) -> None:
        state = {"segment": segment, "memory": memory, "layers": layers}
        state |= {"target": target, "guess": "", "revealed": False}
        self.check_state(state)
        data = {"length": LENGTH, "limits": {k: [*v] for k, v in LIMITS.items()}}
        traits.setdefault("kind", "segment_memory")
        super().__init__(
            data | {"goal": GOAL}, state, caption=caption or self.CAPTION, **traits
        )
        self.alt = alt or self._say()

    def check_state(self, state: dict[str, Any]) -> None:
        """Every number within its limits."""
        for name, (low, high) in LIMITS.items():
            as_whole(name, state[name], low, high)
        as_whole("target", state["target"], 0, LENGTH - 1)

    def forward(self) -> dict[str, Any]:
        """What the page shows.

        Returns:
            seen (layers + 1, 40), from the symbols up: 1 in its own segment, 0.4 only
            through the memory, 0 not at all; first, the earliest symbol that is seen.
        """
        s = self.state
        rows = [(torch.arange(LENGTH) == s["target"]).float()]
        place = torch.arange(LENGTH)
        start = place - place % s["segment"]
        near = (place <= place[:, None]) & (place >= start[:, None])
        old = (place < start[:, None]) & (place >= start[:, None] - s["memory"])
        for _ in range(s["layers"]):
            kept = (rows[0][:, None] * near).amax(0)
            cached = CACHED * ((rows[0] > 0)[:, None] & old).any(0)
            rows.insert(0, torch.maximum(kept, cached))
        return {"seen": torch.stack(rows), "first": int(rows[0].gt(0).int().argmax())}

    def _say(self) -> str:
        s, first = self.state, self.forward()["first"]
        return (
            f"States of {LENGTH} symbols in {s['layers']} layers. With segments of "
            f"{s['segment']} and a memory of {s['memory']}, the output at symbol "
            f"{s['target'] + 1} depends on symbols {first + 1} to {s['target'] + 1}; "
            "what lies before its segment comes through the memory."
        )

    def draw(self) -> Any:
        """Layers above each other, the output on top."""
        from attnkit import plot

        plot.use_style()
        rows = self.forward()["seen"].flip(0)
        names = ["output", *(f"layer {i}" for i in range(len(rows) - 2, 0, -1))]
        columns = [str(i + 1) if i % 5 == 4 else "" for i in range(LENGTH)]
        ax = plot.heatmap(
            rows.numpy(), [*names, "symbols"], columns, column_title="place in the text"
        )
        return ax.figure
