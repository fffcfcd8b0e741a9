"""Reads protobuf bytes by the recorded list of messages and numbers, independently of our own codec."""

from __future__ import annotations

import base64
import json
import struct
from functools import cache
from typing import Any

from tests.conformance.captures import PROTOCOL_DIRECTORY

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SIGN_BIT = 1 << 63


@cache
def _definitions() -> tuple[dict[str, dict[int, dict[str, Any]]], dict[str, dict[int, str]]]:
    files = json.loads((PROTOCOL_DIRECTORY / "messages.json").read_text())["files"]
    messages = {
        message["name"]: {entry["number"]: entry for entry in message["fields"]}
        for file in files
        for message in file["messages"]
    }
    enums = {
        enum["name"]: {value["number"]: value["name"] for value in reversed(enum["values"])}
        for file in files
        for enum in file["enums"]
    }
    return messages, enums


def decode(message_name: str, data: bytes) -> dict[str, Any]:
    """`data` as the JSON-like form of that message, its keys in the order of the bytes."""
    messages, _ = _definitions()
    fields = messages[message_name]
    result: dict[str, Any] = {}
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        raw, position = _value(data, position, tag & 7)
        entry = fields.get(tag >> 3)
        if entry is None:  # a field of Mesos's inner messages that v1 does not know
            result[f"field {tag >> 3}"] = raw if isinstance(raw, int) else raw.hex()
            continue
        value = _convert(entry, raw)
        if value is None:  # an enum's number that v1 does not know counts as unset
            continue
        if entry["label"] == "repeated":
            result.setdefault(entry["name"], []).append(value)
        else:
            result[entry["name"]] = value
    return result


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _value(data: bytes, position: int, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == VARINT:
        return _varint(data, position)
    if wire_type == BYTES:
        size, position = _varint(data, position)
    else:
        size = {FIXED64: 8, FIXED32: 4}[wire_type]
    assert position + size <= len(data), "a field that ends behind its message"
    return data[position : position + size], position + size


def _convert(entry: dict[str, Any], raw: int | bytes) -> Any:
    kind = entry["type"]
    if entry.get("kind") == "enum":
        _, enums = _definitions()
        assert isinstance(raw, int)
        return enums[kind].get(raw)
    if isinstance(raw, bytes):
        if entry.get("kind") == "message":
            return decode(kind, raw)
        if kind == "string":
            return raw.decode()
        if kind == "bytes":
            return base64.b64encode(raw).decode()
        return struct.unpack("<d" if kind == "double" else "<f", raw)[0]
    if kind == "bool":
        return bool(raw)
    return raw - 2 * SIGN_BIT if raw >= SIGN_BIT and kind.startswith("int") else raw
