"""Exercises 1 to 3 of the chapter `transformer/longer_contexts`: segments."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attnkit.exercises.engine import Exercise
from attnkit.exercises.idea_soft_addressing_steps import draw

# ------------------------------------------------------------ 1 · the earliest symbol


def first_seen(place: int, segment: int, memory: int, layers: int) -> int:
    """The earliest symbol on which an output depends.

    Args:
        place: of the output, from 0.
        segment: symbols in a segment; the first begins at place 0.
        memory: states that each layer remembers.
        layers: number of layers.

    Returns:
        A place, from 0.
    """
    for _ in range(layers):
        start = place - place % segment
        place = max(0, start - memory)
    return place


def _seen_inputs(generator: Generator) -> Iterator[tuple[int, int, int, int]]:
    yield from ((36, 4, 8, 3), (39, 4, 8, 1), (38, 4, 0, 3), (7, 4, 8, 2))
    yield from ((37, 8, 3, 2), (39, 5, 7, 3), (0, 4, 8, 1), (100, 16, 16, 2))


def _seen_by_sets(place, segment, memory, layers):
    seen = {place}
    for _ in range(layers):
        starts = {p - p % segment: p for p in sorted(seen)}
        seen |= {j for s, p in starts.items() for j in range(max(0, s - memory), p + 1)}
    return min(seen)


def _seen_by_recursion(place, segment, memory, layers):
    if layers == 0:
        return place
    below = max(0, place // segment * segment - memory)
    return below if layers == 1 else _seen_by_recursion(
        min(below, place), segment, memory, layers - 1
    )  # fmt: skip


FIRST = Exercise(
    key="transformer.longer_contexts.1",
    title="The earliest symbol",
    minutes=10,
    dots=2,
    learn="every layer steps back to the start of a segment and then one memory more",
    reference=first_seen,
    inputs=_seen_inputs,
    alternatives=[_seen_by_sets, _seen_by_recursion],
    mistakes=[
        (
            lambda p, s, m, n: max(0, p - n * m),
            "You go back from the place itself. A memory lies before the *segment*: "
            "first go to the segment's start.",
        ),
        (
            lambda p, s, m, n: max(0, p - p % s - m),
            "This is the reach of one layer. The states in the memory saw something "
            "too: step back once for each layer.",
        ),
        (
            lambda p, s, m, n: max(0, p - p % s - n * m),
            "Right where a memory is whole segments long. In general you land inside a "
            "segment, and the next layer begins at *its* start.",
        ),
        (
            lambda p, s, m, n: _seen_by_unclamped(p, s, m, n),
            "You fall off the front of the text: no place is below 0.",
        ),
        (
            lambda p, s, m, n: p - p % s,
            "This is what it sees without a memory.",
        ),
        (
            lambda p, s, m, n: first_seen(p, s, m, n - 1),
            "One layer too few: the top layer has a memory, too.",
        ),
        (
            lambda p, s, m, n: _seen_by_starts(p, s, m, n),
            "The last layer reaches into the middle of a segment. You go on to the "
            "start of that segment, which no layer is left to see.",
        ),
    ],
    hints=[
        "`place - place % segment` is where the segment begins.",
        "In one layer the earliest is that start minus the memory, or 0.",
        "That place is the output of the layer below: repeat from there.",
    ],
)


def _seen_by_unclamped(place, segment, memory, layers):
    for _ in range(layers):
        place = place - place % segment - memory
    return place


def _seen_by_starts(place, segment, memory, layers):
    place = first_seen(place, segment, memory, layers)
    return place - place % segment


# ------------------------------------------------------------------ 2 · the next memory


def next_memory(old: Tensor, new: Tensor, length: int) -> Tensor:
    """What a layer remembers after a segment.

    Args:
        old: (M, D), remembered so far, oldest first; M may be 0.
        new: (N, D), states of this segment.
        length: most states that are kept, 0 or more.

    Returns:
        The last states of both, at most `length`, oldest first; no gradient goes
        back through them.
    """
    both = torch.cat([old, new])
    return both[max(0, len(both) - length) :].detach()


def _memory_inputs(generator: Generator) -> Iterator[tuple[Tensor, Tensor, int]]:
    for m, n, length in ((4, 2, 4), (0, 3, 5), (2, 4, 3), (3, 2, 0), (1, 2, 9)):
        old, new = draw(generator, (m, 3), (n, 3))
        yield old.requires_grad_(), new.requires_grad_(), length


def _states_and_gradient(answer, old, new, length):
    return answer, bool(getattr(answer, "requires_grad", False))


def _memory_by_loop(old, new, length):
    rows = [*old.detach(), *new.detach()]
    while len(rows) > length:
        rows.pop(0)
    return torch.stack(rows) if rows else old.new_zeros(0, old.shape[1])


def _memory_by_flip(old, new, length):
    with torch.no_grad():
        return torch.cat([old, new]).flip(0)[:length].flip(0)


MEMORY = Exercise(
    key="transformer.longer_contexts.2",
    title="The next memory",
    minutes=8,
    dots=2,
    learn="a memory is a window over states, and it may be longer than a segment",
    reference=next_memory,
    inputs=_memory_inputs,
    alternatives=[_memory_by_loop, _memory_by_flip],
    probe=_states_and_gradient,
    mistakes=[
        (
            lambda old, new, length: torch.cat([old, new])[
                max(0, len(old) + len(new) - length) :
            ],
            "The right states, and a gradient still goes back through them: into the "
            "segment before, and the one before that.",
        ),
        (
            lambda old, new, length: torch.cat([old, new]).detach()[-length:],
            "Right, except for a length of 0: a slice from -0 keeps everything.",
        ),
        (
            lambda old, new, length: torch.cat([old, new])[:length].detach(),
            "You keep the *oldest* states. The last ones are wanted.",
        ),
        (
            lambda old, new, length: new[max(0, len(new) - length) :].detach(),
            "You forget the old memory at each segment. What fits beside the new "
            "states stays.",
        ),
        (
            lambda old, new, length: next_memory(new, old, length),
            "Old and new have changed places: the oldest states come first.",
        ),
        (
            lambda old, new, length: torch.cat([old, new]).detach(),
            "It grows without end. Keep at most `length` states.",
        ),
    ],
    hints=[
        "`torch.cat([old, new])` is everything, oldest first.",
        "Cut from `max(0, how many - length)` on. Why not `[-length:]`?",
        "`.detach()` stops the gradient.",
    ],
)

# ------------------------------------------------------------------ 3 · the shift trick


def shift(scores: Tensor) -> Tensor:
    """Scores by distance, moved to the place of each key.

    Args:
        scores: (N, M), N ≤ M: row i is query i; the first column stands for the
            distance M - 1, the last for the distance 0.

    Returns:
        (N, M): column j is key j. Query i stands at place M - N + i, so that its
        distance to key j is M - N + i - j. Keys after the query get 0.
    """
    n, m = scores.shape
    wide = torch.cat([scores.new_zeros(n, 1), scores], 1)  # (N, M + 1)
    return wide.view(m + 1, n)[1:].view(n, m).tril(m - n)


def _shift_inputs(generator: Generator) -> Iterator[tuple[Tensor]]:
    for shape in ((2, 3), (3, 3), (1, 4), (3, 7), (5, 9)):
        yield tuple(draw(generator, shape))


def _shift_by_loop(scores):
    n, m = scores.shape
    out = torch.zeros_like(scores)
    for i in range(n):
        for j in range(m - n + i + 1):
            out[i, j] = scores[i, m - 1 - (m - n + i - j)]
    return out


def _shift_by_gather(scores):
    n, m = scores.shape
    column = torch.arange(m) + n - 1 - torch.arange(n)[:, None]
    return scores.gather(1, column.clamp(max=m - 1)) * (column < m)


def _shift_flipped(scores):
    return _shift_by_gather(scores.flip(1))


SHIFT = Exercise(
    key="transformer.longer_contexts.3",
    title="The shift trick",
    minutes=15,
    dots=4,
    learn="place scores are computed once for each distance and then moved",
    reference=shift,
    inputs=_shift_inputs,
    alternatives=[_shift_by_loop, _shift_by_gather],
    mistakes=[
        (
            lambda s: _shift_by_gather(s).tril(),
            "Right where N = M. With more keys than queries, row i stands at place "
            "M - N + i and sees all up to there.",
        ),
        (
            lambda s: s.tril(s.shape[1] - s.shape[0]),
            "You have not moved anything. Only in the last row a column is a key "
            "already.",
        ),
        (
            _shift_flipped,
            "You have read the columns as distances 0, 1, 2, … The first stands for "
            "the largest distance.",
        ),
        (
            lambda s: (
                torch.cat([s.new_zeros(len(s), 1), s], 1)
                .view(s.shape[1] + 1, len(s))[1:]
                .view(s.shape)
            ),
            "Moved rightly; but after a query the trick leaves numbers of the next "
            "row. Set them to 0.",
        ),
        (
            lambda s: torch.stack([row.roll(-i) for i, row in enumerate(s)]).tril(
                s.shape[1] - s.shape[0]
            ),
            "The wrong rows move: the *last* query stays, the first moves most.",
        ),
    ],
    hints=[
        "Row i moves to the left by N - 1 - i places.",
        "A column of zeros in front makes every row one longer. Read the numbers "
        "again as rows of N.",
        "`wide.view(m + 1, n)[1:].view(n, m)`, and `tril(m - n)` for the rest.",
    ],
)
