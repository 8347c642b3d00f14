"""Where a bot writes down what happens to it: in the file when the call returns, whatever becomes of the bot."""

import os
from pathlib import Path

import msgspec

from faults.oracle import AnyLine
from support.traces import SAMPLE


class Journal:
    """A file of JSON lines, and one of samples of ciphertext. Nothing waits in a buffer of the process."""

    def __init__(self, path: Path) -> None:
        self._lines = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._samples = os.open(samples_of(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._encode = msgspec.json.Encoder().encode

    def write(self, *lines: AnyLine) -> None:
        """Append lines, in one write."""
        os.write(self._lines, b"".join(self._encode(line) + b"\n" for line in lines))

    def sample(self, ciphertexts: list[bytes]) -> None:
        """Keep some bytes from the middle of each ciphertext."""
        middles = [(len(data) - SAMPLE) // 2 for data in ciphertexts]
        cut = [data[at : at + SAMPLE] for data, at in zip(ciphertexts, middles, strict=True)]
        os.write(self._samples, b"".join(cut))


def samples_of(path: Path) -> Path:
    """Return the file of samples that belongs to a journal."""
    return path.with_suffix(".samples")


def read_journal(path: Path) -> list[AnyLine]:
    """Return the lines of a journal."""
    decoder: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)
    return decoder.decode_lines(path.read_bytes()) if path.exists() else []


def read_samples(path: Path) -> set[bytes]:
    """Return the samples that belong to a journal."""
    data = samples_of(path).read_bytes()
    return {data[at : at + SAMPLE] for at in range(0, len(data), SAMPLE)}
