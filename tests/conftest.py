"""Settings that all tests share."""

import pytest
from hypothesis import HealthCheck, settings

from support.clock import FakeClock

settings.register_profile(
    "tidings",
    deadline=None,  # time is measured in bench/, not in tests
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tidings")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=0, metavar="N", help="the long form of chaos: N kills, and as many power cuts"
    )


@pytest.fixture(scope="session")
def kills(pytestconfig: pytest.Config) -> int:
    """How often things are killed in the long form; 0 asks for the short form."""
    number: int = pytestconfig.getoption("--kills")
    return number


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
