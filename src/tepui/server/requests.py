"""Reading v1 calls: the checks of method, type, body and acceptance that all v1 APIs share, in Mesos's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tepui.model.message import WireMessage
from tepui.transport.hot import HotRequest
from tepui.wire.errors import DecodeError
from tepui.wire.media import MediaError, MediaType, accepted, content_type, decode

CallType = TypeVar("CallType", bound=WireMessage)


def read_call(
    request: HotRequest, call_type: type[CallType], api: str, validate: Callable[[CallType], str | None]
) -> CallType | None:
    """The call in a request's body; None after answering why there is none.

    `api` is the name that Mesos gives the call in its sentence (`scheduler::Call`); `validate` returns a sentence or
    None.
    """
    if request.method != "POST":
        request.answer_method_not_allowed("POST")
        return None
    try:
        call = decode(content_type(request.header("content-type")), call_type, request.body)
    except MediaError as error:
        request.answer_text(error.status, error.sentence)
        return None
    except DecodeError as error:
        request.answer_text(400, error.sentence)
        return None
    return call if is_valid(request, call, api, validate) else None


def is_valid(request: HotRequest, call: CallType, api: str, validate: Callable[[CallType], str | None]) -> bool:
    """Whether the call is valid; False after answering why it is not."""
    why = validate(call)
    if why is None:
        return True
    request.answer_text(400, f"Failed to validate {api}: {why}")
    return False


def accepted_media(request: HotRequest) -> MediaType | None:
    """How the client wants the answer written; None after answering that it wants it in no way that there is."""
    try:
        return accepted(request.header("accept"))
    except MediaError as error:
        request.answer_text(error.status, error.sentence)
        return None
