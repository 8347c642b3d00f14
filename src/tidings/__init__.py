"""Tidings: private messaging that people run themselves, end-to-end encrypted by default."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tidings")
except PackageNotFoundError:  # run from a tree that was never installed
    __version__ = "0"
