"""What end-to-end tests share: one Chromium for the tests of a file. Servers and people are each test's own."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from support.browser import chromium


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running
