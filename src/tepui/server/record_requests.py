"""Requests whose body is a stream of records. Only attaching to a container's input has one, and it comes later."""

from __future__ import annotations

from aiohttp import web

from tepui.transport.http import method_not_allowed, text
from tepui.wire.media import MediaError, MediaType, agent_exchange, content_type

_V1 = "/api/v1"


def refused_records(request: web.BaseRequest, *attachable: str) -> web.Response | None:
    """The refusal of a v1 call that comes as records; None when the request is something else.

    `attachable` are the paths at which such a body is allowed as a form.
    """
    if _V1 not in request.path or request.headers.get("Content-Type") != MediaType.RECORDIO.value:
        return None
    if request.method != "POST":
        return method_not_allowed(request, "POST")
    headers = request.headers
    try:
        if request.path in attachable:
            agent_exchange(
                headers.get("Content-Type"),
                headers.get("Accept"),
                headers.get("Message-Content-Type"),
                headers.get("Message-Accept"),
            )
        else:
            content_type(headers.get("Content-Type"))
        response = text(501, "Attaching to the input of containers is not in this version.")
    except MediaError as error:
        response = text(error.status, error.sentence)
    response.force_close()  # the body has no end to wait for
    return response
