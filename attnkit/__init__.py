"""Attention mechanisms in PyTorch: score, normalize, aggregate.

    from attnkit.attend import attend          # the three steps
    from attnkit.rnn import ...                # attention meets recurrence
    from attnkit.transformer import ...        # attention without recurrence
    from attnkit import catalog                # a card for every mechanism

Beside them: `attnkit.data`, `attnkit.train`, `attnkit.plot`, `attnkit.live` (widgets),
`attnkit.exercises`. Each is imported when it is asked for.
"""

from attnkit import attend, catalog

__all__ = ["__version__", "attend", "catalog"]
__version__ = "0.1.0"
