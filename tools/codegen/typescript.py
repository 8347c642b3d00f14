"""TypeScript: the types of the wire, each with the shape that checks, decodes and encodes it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import msgspec.inspect as mi

from codegen.schema import NUMBERS, UNIONS, doc, structs, title, union_name
from tidings.wire import closes

COMBINATORS = (
    *("base64", "bool", "bytes", "dictionary", "int", "list", "nullable"),
    *("object", "oneOf", "record", "str", "tuple", "union"),
)
FIRST = "// Generated from tidings.wire by `make wire`. Do not edit.\n"


def brands(all_structs: list[mi.StructType]) -> dict[str, str]:
    """Return the branded types and what they are made of."""
    found: dict[str, str] = {}

    def walk(node: mi.Type) -> None:
        if isinstance(node, mi.Metadata):
            name = title(node)
            if name and (name.endswith("Id") or name in (*NUMBERS, "Handle")):
                found[str(name)] = ts_type(node.type)
            walk(node.type)
        elif isinstance(node, mi.UnionType):
            for member in node.types:
                walk(member)
        elif isinstance(node, mi.ListType):
            walk(node.item_type)
        elif isinstance(node, mi.TupleType):
            for item in node.item_types:
                walk(item)

    for struct in all_structs:
        for field in struct.fields:
            walk(field.type)
    return dict(sorted(found.items()))


def ts_type(node: mi.Type, names: dict[str, str] | None = None) -> str:
    """Return a type as TypeScript writes it."""
    names = names or {}
    match node:
        case mi.Metadata(type=inner):
            name = title(node)
            return name if name and name in names else ts_type(inner, names)
        case mi.IntType() | mi.FloatType():
            return "number"
        case mi.StrType():
            return "string"
        case mi.BytesType():
            return "Uint8Array"
        case mi.BoolType():
            return "boolean"
        case mi.NoneType():
            return "null"
        case mi.LiteralType(values=values):
            return " | ".join(json.dumps(value) for value in values)
        case mi.ListType(item_type=item):
            inside = ts_type(item, names)
            return f"readonly ({inside})[]" if "|" in inside or " " in inside else f"readonly {inside}[]"
        case mi.TupleType(item_types=items):
            return f"readonly [{', '.join(ts_type(item, names) for item in items)}]"
        case mi.DictType(value_type=value):
            return f"Readonly<Record<string, {ts_type(value, names)}>>"
        case mi.UnionType() if name := union_name(node):
            return name
        case mi.UnionType(types=members):
            return " | ".join(ts_type(member, names) for member in members)
        case mi.StructType(cls=cls):
            return cls.__name__
        case _:
            raise TypeError(node)


def ts_shape(node: mi.Type, *, in_json: bool) -> str:
    """Return the expression that makes a type's validating shape (see web/src/wire/shape.ts)."""

    def numbers(*values: float | None) -> str:
        given = ["undefined" if value is None else str(value) for value in values]
        while given and given[-1] == "undefined":
            given.pop()
        return ", ".join(given)

    match node:
        case mi.Metadata(type=inner):
            return ts_shape(inner, in_json=in_json)
        case mi.IntType(ge=low, le=high):
            return f"int({numbers(low, None if high == 2**53 - 1 else high)})"
        case mi.StrType(min_length=low, max_length=high, pattern=pattern):
            limits = numbers(low, high)
            return f"str({limits or 'undefined, undefined'}, /{pattern}/)" if pattern else f"str({limits})"
        case mi.BytesType(min_length=low, max_length=high):
            return f"{'base64' if in_json else 'bytes'}({numbers(low, high)})"
        case mi.BoolType():
            return "bool"
        case mi.LiteralType(values=values):
            return f"oneOf({', '.join(json.dumps(value) for value in values)})"
        case mi.ListType(item_type=item, min_length=low, max_length=high):
            limits = numbers(low, high)
            return f"list({ts_shape(item, in_json=in_json)}{', ' + limits if limits else ''})"
        case mi.TupleType(item_types=items):
            return f"tuple({', '.join(ts_shape(item, in_json=in_json) for item in items)})"
        case mi.DictType(value_type=value):
            return f"dictionary({ts_shape(value, in_json=in_json)})"
        case mi.UnionType() if name := union_name(node):
            return f"{name}Shape"
        case mi.UnionType(types=members):
            real = [member for member in members if not isinstance(member, mi.NoneType)]
            inside = (
                ts_shape(real[0], in_json=in_json)
                if len(real) == 1
                else f"union({', '.join(ts_shape(member, in_json=in_json) for member in real)})"
            )
            return f"nullable({inside})" if len(real) < len(members) else inside
        case mi.StructType(cls=cls):
            return f"{cls.__name__}Shape"
        case _:
            raise TypeError(node)


def ts_default(field: mi.Field) -> str | None:
    """Return a field's default as TypeScript writes it, or None if it has none."""
    if field.default_factory is not msgspec.NODEFAULT:
        return "[]"
    return None if field.default is msgspec.NODEFAULT else json.dumps(field.default)


def ts_struct(struct: mi.StructType, names: dict[str, str], *, in_json: bool) -> Iterator[str]:
    """Yield the interface of a Struct and its shape."""
    name = struct.cls.__name__
    yield f"/** {doc(struct.cls)} */"
    yield f"export interface {name} {{"
    if struct.tag is not None:
        yield f"  readonly t: {json.dumps(struct.tag)};"
    for field in struct.fields:
        yield f"  readonly {field.encode_name}: {ts_type(field.type, names)};"
    yield "}"
    kind = "record" if struct.array_like else "object"
    fields = [
        f'["{field.encode_name}", {ts_shape(field.type, in_json=in_json)}'
        + (f", {default}]" if (default := ts_default(field)) is not None else "]")
        for field in struct.fields
    ]
    tag = "null" if struct.tag is None else json.dumps(struct.tag)
    tagged = f'"{struct.tag_field}", ' if struct.tag_field and not struct.array_like else ""
    yield f"export const {name}Shape: Shape<{name}> = /* @__PURE__ */ {kind}({tagged}{tag}, ["
    yield from (f"  {field}," for field in fields)
    yield f"]{', true' if struct.array_like and struct.forbid_unknown_fields else ''});"
    yield ""


def ts_unions(names: set[str], done: set[str]) -> Iterator[str]:
    """Yield the unions whose members are all in `names` and that are not in `done` yet."""
    for name, union in UNIONS.items():
        members = [member.__name__ for member in union.__args__]
        if name not in done and names.issuperset(members):
            done.add(name)
            yield f"export type {name} = {' | '.join(members)};"
            shapes = ", ".join(f"{member}Shape" for member in members)
            yield f"export const {name}Shape: Shape<{name}> = /* @__PURE__ */ union({shapes});"
            yield ""


def typescript(purpose: str, types: list[Any], imports: dict[str, set[str]], *, in_json: bool) -> str:
    """Return a TypeScript module with all Structs that `types` reach, but for those that it imports."""
    known = {name for names in imports.values() for name in names}
    names = brands(structs(types))
    body = [
        f"export type {name} = {base} & {{ readonly __brand?: {json.dumps(name)} }};"
        for name, base in names.items()
        if name not in known
    ]
    body.append("")
    here: set[str] = set()
    done: set[str] = set()
    for struct in structs(types):
        if struct.cls.__name__ not in known:
            body.extend(ts_struct(struct, names, in_json=in_json))
            here.add(struct.cls.__name__)
            body.extend(ts_unions(here, done))
    text = "\n".join(body).rstrip() + "\n"
    used = [word for word in COMBINATORS if re.search(rf"\b{word}\b[(,\])]", text)]
    lines = [FIRST + f"/** {purpose} */", "", f'import {{ {", ".join(used)}, type Shape }} from "./shape";']
    for module, wanted in imports.items():
        needed = sorted(
            [f"type {name}" for name in wanted if re.search(rf"\b{name}\b", text)]
            + [f"{name}Shape" for name in wanted if re.search(rf"\b{name}Shape\b", text)]
        )
        if needed:
            lines.append(f'import {{ {", ".join(needed)} }} from "{module}";')
    return "\n".join([*lines, "", text])


def ts_closes() -> str:
    """Return the close codes."""
    lines = [FIRST + "/** Why a connection ends. */", "", "export const Close = {"]
    lines += [f"  {code.name}: {code.value}," for code in closes.Close]
    return "\n".join([*lines, "} as const;", ""])
