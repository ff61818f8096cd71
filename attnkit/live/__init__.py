"""Live widgets: real ipywidgets whose front end computes in the page.

`AddressingPlane` and `ScoreLab` compute closed formulas, `TypeToAlign` runs a trained
model, `Alignment` shows arrays that Python gives, `Predict` asks before it tells.
All are `LiveWidget`s: traits `data`, `state` and `readout`, two ways with a kernel.
"""

from attnkit.live.alignment import Alignment
from attnkit.live.cost import AttentionCost
from attnkit.live.frames import WordToFrame
from attnkit.live.lab import ScoreLab
from attnkit.live.orders import OrderMask
from attnkit.live.pack import pack, rounded
from attnkit.live.places import PositionLab
from attnkit.live.pooling import PoolingOverTime
from attnkit.live.race import BottleneckRace
from attnkit.live.regions import WordToRegion
from attnkit.live.segments import SegmentMemory
from attnkit.live.selfattention import SelfAttention
from attnkit.live.translate import TypeToAlign
from attnkit.live.widget import LiveWidget
from attnkit.live.widgets import AddressingPlane, Predict

__all__ = [
    "AddressingPlane",
    "Alignment",
    "AttentionCost",
    "BottleneckRace",
    "LiveWidget",
    "OrderMask",
    "PoolingOverTime",
    "PositionLab",
    "Predict",
    "ScoreLab",
    "SegmentMemory",
    "SelfAttention",
    "TypeToAlign",
    "WordToFrame",
    "WordToRegion",
    "pack",
    "rounded",
]
