"""The one well-known type that the v1 packages use. Package google.protobuf."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import WireMessage, int32, int64


class Duration(WireMessage, kw_only=True):
    """A span of time: seconds and billionths of a second of the same sign."""

    seconds: Annotated[int64, 1] = 0
    nanos: Annotated[int32, 2] = 0
