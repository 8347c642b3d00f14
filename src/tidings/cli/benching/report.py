"""What figures are worth nothing without, and how all of it is shown."""

import platform
import sys
from pathlib import Path
from typing import Any

import msgspec

from tidings import __version__
from tidings.cli.benching.disk import Disk


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    processor: str
    processors: int
    memory_gb: float
    system: str
    python: str
    tidings: str


class Surroundings(msgspec.Struct, frozen=True):
    """Machine and disk."""

    machine: Machine
    disk: Disk


def this_machine() -> Machine:
    """Return the machine that this runs on."""
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")]
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return Machine(
        processor=models[0].partition(":")[2].strip() if models else platform.machine(),
        processors=len(processors),
        memory_gb=round(int(memory) / 2**20, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        tidings=__version__,
    )


def say(doing: str) -> None:
    """Tell what is going on, beside the figures."""
    print(f"  {doing}", file=sys.stderr, flush=True)


def show(result: msgspec.Struct, *, as_json: bool) -> None:
    """Print a result: as JSON, or a line for each figure."""
    plain: Any = msgspec.to_builtins(result)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(plain), indent=1).decode())
    else:
        _rows(plain, "")


def _rows(values: dict[str, Any], indent: str) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            print(f"{indent}{name.replace('_', ' ')}{'' if value else ': none'}")
            _rows(value, indent + "  ")
        else:
            print(f"{indent + name.replace('_', ' '):<28}{value}")
