"""Markdown: the tables of docs/protocol.md."""

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as mi

from codegen.schema import FRAMES, UNIONS, doc, structs, title
from codegen.typescript import ts_default
from tidings.wire import closes, commands, errors, events


def field_row(field: mi.Field) -> str:
    """Return a row of the table of a frame's fields."""

    def describe(node: mi.Type) -> str:
        match node:
            case mi.Metadata(type=inner):
                text = f"`{title(node)}`" if title(node) else describe(inner)
                note = (node.extra_json_schema or {}).get("description")
                return text + (f", {note}" if note and not title(node) else "")
            case mi.ListType(item_type=item, max_length=high):
                return f"list of {describe(item)}" + (f", at most {high}" if high else "")
            case mi.UnionType(types=members) if all(isinstance(m, mi.StructType) for m in members):
                return "an error (see below)"
            case mi.UnionType(types=members):
                return " or ".join(describe(member) for member in members)
            case mi.TupleType(item_types=items):
                return "pair of " + " and ".join(describe(item) for item in items)
            case mi.StructType(cls=cls):
                return f"`{cls.__name__}`"
            case mi.LiteralType(values=values):
                return ", ".join(f"`{value}`" for value in values)
            case mi.NoneType():
                return "nil"
            case _:
                return type(node).__name__.removesuffix("Type").lower().replace("str", "text")

    default = "" if field.required else f" (default {ts_default(field)})"
    return f"| `{field.encode_name}` | {describe(field.type)}{default} |"


def markdown_structs(found: list[mi.StructType]) -> Iterator[str]:
    """Yield a section for each Struct: its array, what it means and its fields."""
    for struct in found:
        names = ", ".join(field.encode_name for field in struct.fields)
        first = f'"{struct.tag}"' + (", " if names else "") if struct.tag else ""
        yield f"#### {struct.cls.__name__}\n"
        yield f"`[{first}{names}]`\n"
        yield doc(struct.cls) + "\n"
        if struct.fields:
            yield "| field | is |\n|---|---|"
            yield from (field_row(field) for field in struct.fields)
            yield ""


def markdown() -> str:
    """Return the generated part of docs/protocol.md."""
    every = structs(FRAMES)
    by_name = {struct.cls.__name__: struct for struct in every}

    def members(union: Any) -> list[mi.StructType]:
        return [by_name[member.__name__] for member in union.__args__]

    tagged = {member.__name__ for union in UNIONS.values() for member in union.__args__}
    names: dict[str, tuple[str, str]] = {}
    for struct in every:
        for field in struct.fields:
            for node in [field.type, *(field.type.types if isinstance(field.type, mi.UnionType) else ())]:
                if title(node) and isinstance(node, mi.Metadata):
                    inner: Any = node.type
                    kind = type(inner).__name__.removesuffix("Type").lower().replace("str", "text")
                    low, high = getattr(inner, "min_length", None), getattr(inner, "max_length", None)
                    size = f", {low or 0} to {high}" if high and high != low else f" of {high}" if high else ""
                    names[str(title(node))] = (
                        kind + size,
                        (node.extra_json_schema or {}).get("description", ""),
                    )
    lines = ["### Names and numbers\n", "| type | is | meaning |\n|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {note} |" for name, (kind, note) in sorted(names.items())]
    lines += ["", "### Commands: device to server\n", *markdown_structs(members(commands.Command))]
    lines += ["### Replies\n", *markdown_structs(members(events.Reply))]
    rest = [s for s in members(events.ServerFrame) if s not in members(events.Reply)]
    lines += ["### Events: server to device\n", *markdown_structs(rest)]
    records = [struct for struct in every if struct.cls.__name__ not in tagged]
    lines += ["### Records inside frames\n", *markdown_structs(records)]
    lines += ["### Errors\n", *markdown_structs(members(errors.WireError))]
    lines += ["### Close codes\n", "| code | name | the device |\n|---|---|---|"]
    words = {"now": "comes back at once", "later": "comes back after a jittered wait",
             "sign-in": "signs in again", "stop": "stops and tells the person"}  # fmt: skip
    lines += [f"| {c.value} | `{c.name}` | {words[closes.advice(c)]} |" for c in closes.Close]
    return "\n".join(lines) + "\n"


def between(text: str, made: str) -> str:
    """Return `text` with the part between its two markers replaced."""
    start, end = "<!-- generated: frames -->\n", "<!-- end of generated -->"
    return text[: text.index(start) + len(start)] + "\n" + made + "\n" + text[text.index(end) :]
