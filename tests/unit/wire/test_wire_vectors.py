"""The golden vectors that both languages are held to, read by Python."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidings.wire import codec, content, http
from tidings.wire.codec import Codec, Malformed
from tidings.wire.commands import Command
from tidings.wire.events import ServerFrame

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "wire.json").read_text())
COMMANDS = frozenset(kind.__name__ for kind in Command.__args__)
BOTH = (codec.SUBPROTOCOL, codec.SUBPROTOCOL_JSON)


def codec_for(name: str, subprotocol: str) -> Codec[Any]:
    """Return the codec of the side that decodes frames of this name."""
    codecs: dict[str, Codec[Any]] = dict(codec.codecs_for_server() if name in COMMANDS else codec.codecs_for_device())
    return codecs[subprotocol]


def named(vectors: list[dict[str, Any]], key: str) -> list[Any]:
    return [pytest.param(vector, id=f"{number}-{vector[key]}"[:60]) for number, vector in enumerate(vectors)]


@pytest.mark.parametrize("vector", named(VECTORS["frames"], "name"))
def test_every_frame_is_read_and_written_byte_for_byte_in_both_subprotocols(vector: dict[str, str]) -> None:
    binary, text = (codec_for(vector["name"], subprotocol) for subprotocol in BOTH)
    packed, written = bytes.fromhex(vector["msgpack"]), vector["json"].encode()
    frame = binary.decode(packed)
    assert type(frame).__name__ == vector["name"]
    assert binary.encode(frame) == packed
    assert text.decode(written) == frame
    assert text.encode(frame) == written
    assert (binary.text, text.text) == (False, True)


def test_the_vectors_hold_every_frame() -> None:
    frames = {kind.__name__ for side in (Command, ServerFrame) for kind in side.__args__}
    assert {vector["name"] for vector in VECTORS["frames"]} == frames


@pytest.mark.parametrize("vector", named(VECTORS["bad"], "why"))
def test_what_is_no_frame_is_refused_by_both_sides(vector: dict[str, str]) -> None:
    for side in (codec.codecs_for_server(), codec.codecs_for_device()):
        with pytest.raises(Malformed):
            side[codec.SUBPROTOCOL].decode(bytes.fromhex(vector["msgpack"]))


@pytest.mark.parametrize("vector", named(VECTORS["newer"], "msgpack"))
def test_fields_of_a_newer_version_are_ignored(vector: dict[str, str]) -> None:
    binary, text = (codec.codecs_for_server()[subprotocol] for subprotocol in BOTH)
    known = binary.decode(bytes.fromhex(vector["same_as"]))
    newer = bytes.fromhex(vector["msgpack"])
    assert binary.decode(newer) == known
    as_text = msgspec.json.encode(msgspec.msgpack.decode(newer))
    assert text.decode(as_text) == known


@pytest.mark.parametrize("vector", named(VECTORS["objects"], "name"))
def test_every_object_is_read_and_written_as_json(vector: dict[str, Any]) -> None:
    kind = getattr(http, vector["name"], None) or getattr(content, vector["name"])
    value = msgspec.json.decode(json.dumps(vector["json"]), type=kind)
    assert json.loads(msgspec.json.encode(value)) == vector["json"]


@pytest.mark.parametrize("vector", named(VECTORS["envelopes"], "packed"))
def test_envelopes_are_packed_and_unpacked(vector: dict[str, Any]) -> None:
    packed = base64.b64decode(vector["packed"])
    if vector.get("bad"):
        with pytest.raises(content.NoEnvelope):
            content.unpack(packed)
        return
    envelope = content.unpack(packed)
    assert content.pack(envelope) == packed
    known: dict[str, Any] = vector.get("megolm") or vector["olm"]
    parts = {name: base64.b64decode(known[name]) for name in known.keys() - {"kind"}}
    assert {name: getattr(envelope, name) for name in parts} == parts
    assert getattr(envelope, "kind", None) == known.get("kind")
