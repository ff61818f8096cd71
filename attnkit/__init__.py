"""Attention mechanisms in PyTorch: score, normalize, aggregate."""
__version__ = "0.1.0"
