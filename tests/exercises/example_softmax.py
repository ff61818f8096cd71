"""One exercise, written as a chapter's file writes its own, for the engine's tests."""

import torch
from torch import Tensor

from attnkit.exercises import Exercise


def softmax(scores: Tensor) -> Tensor:
    """Turn scores (N, M) into weights (N, M): each row positive, with sum 1."""
    raised = (scores - scores.amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True)


def softmax_library(scores):
    return torch.softmax(scores, dim=1)


def softmax_by_rows(scores):
    return torch.stack([(row - row.logsumexp(0)).exp() for row in scores])


def softmax_columns(scores):
    return torch.softmax(scores, dim=0)


def softmax_all(scores):
    return torch.softmax(scores.flatten(), 0).view_as(scores)


def softmax_overflow(scores):
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


def softmax_plain(scores):
    return scores / scores.sum(-1, keepdim=True)


def softmax_log(scores):
    return torch.log_softmax(scores, -1)


def softmax_in_place(scores):
    scores -= scores.amax(-1, keepdim=True)
    return softmax(scores)


def rows_and_sizes(generator):
    for shape in [(1, 1), (3, 4), (4, 3), (2, 7)]:
        yield (torch.randn(shape, generator=generator),)
    yield (torch.tensor([[1000.0, 999.0], [0.0, 500.0]]),)


EXERCISES = [
    Exercise(
        "example.softmax.1",
        title="From scores to weights",
        minutes=10,
        dots=2,
        learn="What softmax divides by, and why it never overflows.",
        reference=softmax,
        inputs=rows_and_sizes,
        alternatives=[softmax_library, softmax_by_rows],
        mistakes=[
            (softmax_columns, "your weights sum to 1 down the columns, not the rows"),
            (softmax_all, "all your weights together sum to 1; each row should"),
            (softmax_overflow, "right for small scores, but exp(1000) is infinite"),
            (softmax_plain, "you divide the scores by their sum: make them positive"),
            (softmax_log, "these are the logarithms of the weights"),
            (softmax_in_place, "right, but it changes `scores`, which others may use"),
        ],
        hints=[
            "Exponentials make every score positive.",
            "Divide by the sum of each row: `sum(-1, keepdim=True)`.",
            "Subtract the largest score of a row first; the weights stay the same.",
        ],
    )
]


def make(reference, cases, **more) -> Exercise:
    """An exercise around one function."""
    more = {"minutes": 1, "dots": 1, "learn": "Nothing.", **more}
    key, title = "test.engine.1", "A test"
    return Exercise(key, title=title, reference=reference, inputs=cases, **more)


def one_tensor(generator):
    yield (torch.randn(2, 3, generator=generator),)
