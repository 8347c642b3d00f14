"""The Structs of the wire as msgspec describes them, in an order in which each stands behind what it needs."""

import re
from typing import Any

import msgspec.inspect as mi

from tidings.wire import commands, content, errors, events, http

UNIONS: dict[str, Any] = {
    "WireError": errors.WireError,
    "Command": commands.Command,
    "ServerFrame": events.ServerFrame,
}
FRAMES = list(UNIONS.values())
CONTENT = [content.Content, content.KeyRequest, content.KeyAnswer, content.SignedDevices]
HTTP = [
    kind
    for kind in vars(http).values()
    if isinstance(kind, type) and issubclass(kind, http.Body) and kind is not http.Body
]
NUMBERS = ("Seq", "Pos", "Epoch", "Version", "Millis")


def structs(types: list[Any]) -> list[mi.StructType]:
    """Return every Struct that `types` reach, each behind those that it needs."""
    found: dict[type, mi.StructType] = {}

    def walk(node: mi.Type) -> None:
        match node:
            case mi.Metadata(type=inner):
                walk(inner)
            case mi.UnionType(types=members):
                for member in members:
                    walk(member)
            case mi.ListType(item_type=item):
                walk(item)
            case mi.TupleType(item_types=items):
                for item in items:
                    walk(item)
            case mi.StructType(cls=cls, fields=fields) if cls not in found:
                for field in fields:
                    walk(field.type)
                found[cls] = node
            case _:
                pass

    for node in mi.multi_type_info(types):
        walk(node)
    return list(found.values())


def title(node: mi.Type) -> str | None:
    """Return the brand that a type has: the title in its Meta."""
    return (node.extra_json_schema or {}).get("title") if isinstance(node, mi.Metadata) else None


def union_name(node: mi.UnionType) -> str | None:
    """Return the name of a union of Structs that has one."""
    members = {member.cls for member in node.types if isinstance(member, mi.StructType)}
    return next((name for name, union in UNIONS.items() if set(union.__args__) == members), None)


def doc(cls: type) -> str:
    """Return a class's docstring as one paragraph."""
    return re.sub(r"\s+", " ", (cls.__doc__ or "").strip())
