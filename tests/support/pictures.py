"""Small pictures: what a browser shows, in at most 128 colours."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

COLOURS: Final = 128
REDUCE: Final = (Path(__file__).parent / "reduce.js").read_text()
"""(png in base64, colours) -> {width, height, palette, pixels}: the last two in base64."""


async def small_png(page: Page, png: bytes) -> bytes:
    """Return a picture with fewer colours. `page` is any page that may read data addresses."""
    reduced: dict[str, Any] = await page.evaluate(REDUCE, [base64.b64encode(png).decode(), COLOURS])
    width, height = reduced["width"], reduced["height"]
    pixels = base64.b64decode(reduced["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, width * height, width))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", base64.b64decode(reduced["palette"])),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
