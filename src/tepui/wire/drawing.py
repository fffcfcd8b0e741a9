"""Large answers (`tepui.model.drawn`), written one part after the other.

The parts of JSON are to the letter what the whole would be. Protobuf needs no brackets: messages that follow each other
read as one in which they are merged, so each part is a message with some entries of one array. What is between two
parts is little work. An empty part says that some was done.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from tepui.model.drawn import Drawn, Rows, Tree, has_rows
from tepui.model.message import WireMessage
from tepui.wire.json import encode_json, wrap_jsonp
from tepui.wire.media import MediaType
from tepui.wire.protobuf import encode_protobuf
from tepui.wire.schema import schema_of


def draw(drawn: Drawn, media: MediaType = MediaType.JSON, jsonp: str | None = None) -> Iterator[bytes]:
    """The answer's bytes, wrapped for `?jsonp=NAME` when a name is given."""
    tree = yield from _steps(drawn)
    if media is MediaType.PROTOBUF and drawn.message is not None:
        yield from _protobuf_parts(drawn.message, tree)
    elif jsonp:
        opening, _, _ = wrap_jsonp(jsonp, b"").rpartition(b")")
        yield opening
        yield from _json_parts(tree)
        yield b")"
    else:
        yield from _json_parts(tree)


def _steps(drawn: Drawn) -> Generator[bytes, None, Tree]:
    steps = drawn.tree()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tree: Tree = end.value
            return tree
        yield b""


# JSON.


def _json_parts(tree: Tree) -> Iterator[bytes]:
    """An object. Members without rows are written together with those beside them."""
    opening = b"{"
    plain: Tree = {}
    for name, value in tree.items():
        if not has_rows(value):
            plain[name] = value
            continue
        if plain:
            yield opening + encode_json(plain)[1:-1]
            plain, opening = {}, b","
        yield b"%b%b:" % (opening, encode_json(name))
        opening = b","
        yield from _json_rows(value) if isinstance(value, Rows) else _json_parts(value)
    if plain:
        yield opening + encode_json(plain)[1:]
    else:
        yield b"}" if opening == b"," else b"{}"


def _json_rows(rows: Rows) -> Iterator[bytes]:
    opening = b"["
    for entries in rows.drawn():
        if rows.nested:
            for entry in entries:
                yield opening
                opening = b","
                assert isinstance(entry, dict)
                yield from _json_parts(entry)
        else:
            yield opening + encode_json(entries)[1:-1]
            opening = b","
    yield b"]" if opening == b"," else b"[]"


# Protobuf.


def _protobuf_parts(message_type: type[WireMessage], tree: Tree) -> Iterator[bytes]:
    yield encode_protobuf(_frame(message_type, tree))
    yield from _protobuf_rows(message_type, (), tree)


def _frame(message_type: type[WireMessage], tree: Tree) -> WireMessage:
    """The message with all members but the rows."""
    members = {
        name: _frame(_message_below(message_type, name), value) if has_rows(value) else value
        for name, value in tree.items()
        if not isinstance(value, Rows)
    }
    return message_type(**members)


def _protobuf_rows(message_type: type[WireMessage], path: tuple[str, ...], tree: Tree) -> Iterator[bytes]:
    for name, value in tree.items():
        if isinstance(value, Rows):
            for entries in value.drawn():
                yield encode_protobuf(_along(message_type, (*path, name), entries))
        elif has_rows(value):
            yield from _protobuf_rows(message_type, (*path, name), value)


def _along(message_type: type[WireMessage], path: tuple[str, ...], entries: list[object]) -> WireMessage:
    """A message in which there is nothing but some entries of the array at the end of the path."""
    name, *rest = path
    value: object = entries if not rest else _along(_message_below(message_type, name), tuple(rest), entries)
    return message_type(**{name: value})


def _message_below(message_type: type[WireMessage], name: str) -> type[WireMessage]:
    found = schema_of(message_type).by_name[name].message
    assert found is not None, f"{message_type.__name__}.{name} is no message"
    return found
