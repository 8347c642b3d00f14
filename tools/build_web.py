"""Builds the web client into the package, unless what is there was built from the same sources.

The hatchling hook calls it, so that a wheel needs no Node; the Makefile calls it when something may have changed.
The build runs in a copy, without the test tools and without touching what stands in `web/`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

STATIC: Final = "src/tidings/static"
STAMP: Final = ".built-from"
LEFT_OUT: Final = ("node_modules", "tests", "*.test.ts")


def fingerprint(web: Path) -> str:
    """Return a hash over everything that the build depends on."""
    digest = sha256()
    for file in sorted(web.rglob("*")):
        relative = file.relative_to(web)
        if file.is_file() and relative.parts[0] not in LEFT_OUT and not file.name.endswith(".test.ts"):
            digest.update(relative.as_posix().encode() + b"\0" + sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build(root: Path) -> bool:
    """Build if need be. Return whether it was built anew."""
    web, static = root / "web", root / STATIC
    wanted = fingerprint(web)
    stamp = static / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("Building the web client needs Node.js 20 with npm. Install them, or use a released wheel.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "web"
        shutil.copytree(web, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        environment = os.environ | {"TIDINGS_OUT": str(copy / "out")}
        subprocess.run([npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--silent"], cwd=copy, check=True)
        subprocess.run(
            [npm, "run", "build", "--silent", "--", "--logLevel=warn"], cwd=copy, check=True, env=environment
        )
        shutil.rmtree(static, ignore_errors=True)
        shutil.copytree(copy / "out", static)
    stamp.write_text(wanted)
    return True


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a program
    pass
else:

    class WebClientHook(BuildHookInterface[Any]):
        """What hatchling calls before it packs a wheel."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build the client."""
            del version, build_data
            build(Path(self.root))


if __name__ == "__main__":
    print("built the web client" if build(Path(__file__).parent.parent) else "the web client is up to date")
    sys.exit(0)
