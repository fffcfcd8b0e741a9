"""How the tests of readers look at answers: as indented JSON against a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tepui.model.drawn import Drawn
from tepui.wire.drawing import draw
from tepui.wire.json import encode_json
from tests.conformance import captures

EXPECTED = Path(__file__).with_name("expected")

needs_captures = pytest.mark.skipif(not captures.CAPTURES_DIRECTORY.is_dir(), reason=captures.MISSING)


def as_json(answer: object) -> bytes:
    """Plain data or messages as JSON, made whole or drawn."""
    return b"".join(draw(answer)) if isinstance(answer, Drawn) else encode_json(answer)


def pretty(body: bytes) -> str:
    """JSON with one value a line, keys in their order."""
    return json.dumps(json.loads(body), indent=1) + "\n"


def assert_expected(name: str, body: bytes) -> None:
    """The answer must be, to the letter, what stands in `expected/NAME.json`."""
    assert pretty(body) == (EXPECTED / f"{name}.json").read_text()
