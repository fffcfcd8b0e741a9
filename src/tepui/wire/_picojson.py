"""JSON text the way Mesos's parser (picojson) reads it, for texts that a strict parser refuses.

It decides two things that clients can see: what is accepted although the JSON standard forbids it (numbers such as
`01`, `1.` and `-.5`), and the sentence of an error, which quotes the rest of the line from where the parser stood.
Containers nest at most 200 deep, as in Mesos.
"""

from __future__ import annotations

import re

DEPTH_MAX = 200
QUOTED_CHARACTERS_MAX = 1024
"""How much of a broken line an error quotes. Mesos quotes all of it."""

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"[0-9eE.+-]*")
_INTEGER = re.compile(r"-?[0-9]+")
_DOUBLE = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = "0123456789abcdefABCDEF"
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = {"n": ("ull", None), "t": ("rue", True), "f": ("alse", False)}


class JsonError(Exception):
    """The text is not JSON. `str(error)` is Mesos's sentence for it."""


class _SyntaxError(Exception):
    """The parser stands at `args[0]` and cannot go on."""


def parse(text: str) -> object:
    """The value of a JSON text: dicts, lists, str, int, float, bool, None; of equal keys the last one counts.

    Raises `JsonError`.
    """
    parser = _Parser(text)
    try:
        value = parser.value(0)
    except _SyntaxError as error:
        raise syntax_error(text, error.args[0]) from None
    end = parser.position
    if isinstance(value, int | float) and not isinstance(value, bool) and end < len(text):
        end += 1  # The character that ended the number counts as read, so "5x" is 5.
    visible = text.rstrip(" \t\n\r")
    if end != len(visible):
        raise JsonError(
            f"Parsed JSON included non-whitespace trailing characters: {visible[end:][:QUOTED_CHARACTERS_MAX]}"
        )
    return value


def syntax_error(text: str, position: int) -> JsonError:
    """The error of a text that cannot be read from `position` on."""
    line = 1 + text.count("\n", 0, position)
    end = text.find("\n", position)
    rest = text[position : min(len(text) if end < 0 else end, position + QUOTED_CHARACTERS_MAX)]
    shown = "".join(character for character in rest if character >= " ")
    return JsonError(f"syntax error at line {line} near: {shown}")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def value(self, depth: int) -> object:
        self._skip_whitespace()
        character = self._peek()
        if character == '"':
            self.position += 1
            return self._string()
        if character == "{":
            self.position += 1
            return self._object(depth + 1)
        if character == "[":
            self.position += 1
            return self._array(depth + 1)
        if character in _LITERALS:
            return self._literal(character)
        if character == "-" or "0" <= character <= "9":
            return self._number()
        raise _SyntaxError(self.position)

    def _peek(self) -> str:
        """The next character; an empty text, which is less than all others, at the end."""
        return self.text[self.position : self.position + 1]

    def _skip_whitespace(self) -> None:
        self.position = _WHITESPACE.match(self.text, self.position).end()  # type: ignore[union-attr] # it always matches

    def _next_is(self, character: str) -> bool:
        self._skip_whitespace()
        if self._peek() != character:
            return False
        self.position += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._next_is(character):
            raise _SyntaxError(self.position)

    def _literal(self, first: str) -> bool | None:
        rest, value = _LITERALS[first]
        self.position += 1
        for character in rest:
            if self._peek() != character:
                raise _SyntaxError(self.position)
            self.position += 1
        return value

    def _number(self) -> int | float:
        token = _NUMBER.match(self.text, self.position).group()  # type: ignore[union-attr] # it always matches
        self.position += len(token)
        if len(token) < 20 and _INTEGER.fullmatch(token):
            return int(token)
        if not _DOUBLE.fullmatch(token):
            raise _SyntaxError(self.position)
        number = float(token)
        if number in (float("inf"), float("-inf")):
            raise JsonError("Value out of range")
        if _INTEGER.fullmatch(token):
            return int(token) if len(token) < 400 else int(number)
        return number

    def _string(self) -> str:
        parts: list[str] = []
        while True:
            match = _PLAIN.match(self.text, self.position)
            assert match is not None
            parts.append(match.group())
            self.position = match.end()
            character = self._peek()
            if character == '"':
                self.position += 1
                return "".join(parts)
            if character != "\\":
                raise _SyntaxError(self.position)
            self.position += 1
            parts.append(self._escape())

    def _escape(self) -> str:
        character = self._peek()
        self.position += len(character)
        if character != "u":
            if character not in _ESCAPES:
                raise _SyntaxError(self.position)
            return _ESCAPES[character]
        code = self._four_digits()
        if 0xDC00 <= code <= 0xDFFF:
            raise _SyntaxError(self.position)
        if 0xD800 <= code <= 0xDBFF:
            for wanted in "\\u":
                if self._peek() != wanted:
                    raise _SyntaxError(self.position)
                self.position += 1
            second = self._four_digits()
            if not 0xDC00 <= second <= 0xDFFF:
                raise _SyntaxError(self.position)
            code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00)
        return chr(code)

    def _four_digits(self) -> int:
        code = 0
        for _ in range(4):
            character = self._peek()
            if not character or character not in _HEXADECIMAL:
                raise _SyntaxError(self.position)
            self.position += 1
            code = code * 16 + int(character, 16)
        return code

    def _array(self, depth: int) -> list[object]:
        if depth > DEPTH_MAX:
            raise _SyntaxError(self.position)
        items: list[object] = []
        if self._next_is("]"):
            return items
        while True:
            items.append(self.value(depth))
            if not self._next_is(","):
                break
        self._expect("]")
        return items

    def _object(self, depth: int) -> dict[str, object]:
        if depth > DEPTH_MAX:
            raise _SyntaxError(self.position)
        members: dict[str, object] = {}
        if self._next_is("}"):
            return members
        while True:
            self._expect('"')
            key = self._string()
            self._expect(":")
            members[key] = self.value(depth)
            if not self._next_is(","):
                break
        self._expect("}")
        return members
