"""Writes what is derived from `tidings.wire`."""
