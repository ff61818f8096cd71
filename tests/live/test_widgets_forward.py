"""Closed forms of the widgets, computed by node, against PyTorch."""

from __future__ import annotations

import math

import pytest
import torch

from attnkit.attend import hard, softmax
from attnkit.live import AddressingPlane, ScoreLab
from attnkit.live.lab import DIMENSIONS
from tests.live.widget_bench import as_tensor, assert_near, in_node


def states(count: int) -> list[dict]:
    """Settings of the plane, from calm to extreme, hard and soft, 2 to 8 items."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> list:
        return (torch.rand(shape, generator=generator) * 5.2 - 2.6).tolist()

    temperatures = [0.05, 10.0, 1.0, 0.3]
    return [
        {
            "query": draw(2) if i else [0.0, 0.0],
            "keys": draw(2 + i % 7, 2),
            "values": draw(2 + i % 7, 2),
            "temperature": temperatures[i % 4],
            "hard": i % 5 == 4,
        }
        for i in range(count)
    ]


def plane_of(state: dict) -> AddressingPlane:
    arrays = {name: state[name] for name in ("query", "keys", "values")}
    rest = {name: state[name] for name in ("temperature", "hard")}
    return AddressingPlane(**arrays, **rest)


def test_addressing_plane_agrees_with_attend() -> None:
    cases = states(28)
    pages = in_node("widgets/addressing_plane.js", "forward", [[s] for s in cases])
    for state, page in zip(cases, pages, strict=True):
        for name, value in plane_of(state).forward().items():
            assert_near(page[name], value, 1e-9)


def test_doubling_the_query_is_halving_the_temperature() -> None:
    for page in in_node(
        "widgets/addressing_plane.js", "forward", [[s] for s in states(28)]
    ):
        assert_near(
            page["weights_double_query"], page["weights_half_temperature"], 1e-12
        )


def test_score_lab_agrees_with_torch() -> None:
    lab = ScoreLab()
    cases = [
        lab.state | {"dimension": d, "temperature": t, "seed": s}
        for s, (d, t) in enumerate((d, t) for d in DIMENSIONS for t in (0.1, 1.0))
    ]
    calls = [[state, lab.data] for state in cases]
    for state, page in zip(
        cases, in_node("widgets/score_lab.js", "forward", calls), strict=True
    ):
        lab.state = state
        for name, value in lab.forward().items():
            assert_near(page[name], value, 1e-9)


@pytest.mark.parametrize("temperature", [0.5, 8.0])
def test_bands_of_the_lab_are_those_of_torch(temperature: float) -> None:
    lab = ScoreLab(temperature=temperature)
    weights = softmax(lab.drawn.double(), temperature=temperature).tolist()
    flat = [row for score in weights for d in score for row in d]
    entropies = as_tensor(in_node("core/maths.js", "entropy", [[row] for row in flat]))
    entropies = entropies.view(lab.drawn.shape[:3])
    for i, rows in enumerate(lab.curves().values()):
        assert_near(entropies[i].T, rows, 1e-9)


def test_jacobian_norm_is_that_of_autograd() -> None:
    scores = torch.randn(20, 6, dtype=torch.float64) * 3
    weights = softmax(scores)
    page = in_node("core/maths.js", "jacobianNorm", [[w] for w in weights.tolist()])
    jacobian = torch.func.vmap(torch.func.jacrev(lambda e: torch.softmax(e, -1)))
    assert_near(page, jacobian(scores).flatten(1).norm(dim=1), 1e-9)


def test_hard_takes_the_first_of_the_best() -> None:
    rows = [[1.0, 3.0, 3.0], [0.0, 0.0, 0.0], [-2.0, -1.0, -3.0]]
    page = in_node("core/maths.js", "hard", [[row] for row in rows])
    assert_near(page, hard(torch.tensor(rows)), 0)


def test_hull_knows_inside_from_outside() -> None:
    square = [[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]]
    points = [[1, 1], [2, 2], [0, 1], [2.01, 1], [-0.01, 0], [1, 2.5]]
    inside = in_node("core/maths.js", "insideHull", [[p, square] for p in points])
    assert inside == [True, True, True, False, False, False]


def test_moving_a_row_keeps_its_mass() -> None:
    row = [0.1, 0.6, 0.2, 0.1]
    moved = in_node("core/decode.js", "shiftRow", [[row, by] for by in range(-5, 6)])
    assert all(math.isclose(sum(new), 1) for new in moved)
    assert moved[6] == [0, 0.1, 0.6, pytest.approx(0.3)]
    assert moved[0] == [pytest.approx(1), 0, 0, 0]
    thirds = in_node("core/decode.js", "tidyRow", [[[1, 1, 1]]])[0]
    assert math.isclose(sum(thirds), 1, abs_tol=1e-9)


def test_numbers_read_as_a_reader_writes_them() -> None:
    calls = [[-1.5, 1], [-0.001, 2], [0.125, 3], [1e9, 0]]
    words = in_node("core/format.js", "num", calls)
    assert words == ["−1.5", "0.00", "0.125", "1000000000"]


def test_an_inserted_symbol_is_the_only_difference() -> None:
    calls = [[[5, 1, 7, 8], [5, 7, 8]], [[5, 6], [5, 9]], [[], [1]], [[1, 2], [1, 2]]]
    assert in_node("widgets/type_to_align.js", "differences", calls) == [
        [[False, True, False, False], [False] * 3],
        [[False, True], [False, True]],
        [[], [True]],
        [[False, False], [False, False]],
    ]
