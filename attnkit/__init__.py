"""Attention mechanisms in PyTorch: score, normalize, aggregate."""

from attnkit import attend, catalog

__all__ = ["__version__", "attend", "catalog"]
__version__ = "0.1.0"
