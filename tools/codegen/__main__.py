"""Writes what is derived from `tidings.wire`: TypeScript, the tables of docs/protocol.md, vectors and the lock.

Run by `make wire`; `--check` compares instead of writing, and CI does that.
"""

import argparse
import json
import sys
from pathlib import Path

from codegen.markdown import between, markdown
from codegen.schema import CONTENT, FRAMES, HTTP, structs
from codegen.typescript import brands, ts_closes, ts_type, typescript
from codegen.vectors import vectors

ROOT = Path(__file__).parent.parent.parent
JSON_TWICE = {"NamedKey", "SignedList"}  # arrays of bytes in frames, base64 in HTTP bodies


def lock() -> str:
    """Return every tag and field with its type, so that a change of the wire is seen in review."""
    every = structs([*FRAMES, *CONTENT, *HTTP])
    table = {
        struct.cls.__name__: {
            "tag": struct.tag,
            "fields": [
                [field.encode_name, ts_type(field.type), "required" if field.required else "optional"]
                for field in struct.fields
            ],
        }
        for struct in every
    }
    return json.dumps(table, indent=1) + "\n"


def outputs() -> dict[Path, str]:
    """Return every generated file and its text."""
    web = ROOT / "web/src/wire"
    framed = {struct.cls.__name__ for struct in structs(FRAMES)} | set(brands(structs(FRAMES)))
    page = ROOT / "docs/protocol.md"
    return {
        web / "frames.ts": typescript("Every frame and every error.", FRAMES, {}, in_json=False),
        web / "content.ts": typescript(
            "The plaintext inside the ciphertext.", CONTENT, {"./frames": framed}, in_json=True
        ),
        web / "http.ts": typescript(
            "The bodies of HTTP requests and answers.", HTTP, {"./frames": framed - JSON_TWICE}, in_json=True
        ),
        web / "closes.ts": ts_closes(),
        ROOT / "tests/vectors/wire.lock.json": lock(),
        ROOT / "tests/vectors/wire.json": json.dumps(vectors(), indent=1) + "\n",
        page: between(page.read_text(), markdown()),
    }


def main() -> int:
    """Write the files, or say which of them are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and fail if something is stale")
    check = parser.parse_args().check
    made = outputs()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print("stale:" if check else "wrote", path.relative_to(ROOT))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
