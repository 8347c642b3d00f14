"""Tidings: private messaging that people run themselves, end-to-end encrypted by default."""

__version__ = "0.1.0"
