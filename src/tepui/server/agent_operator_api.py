"""The agent's operator API: what the shell can answer (files, logging, usage), and the rest's way to the core."""

from __future__ import annotations

from collections.abc import Callable

from tepui.agent.events import OperatorCall
from tepui.model.shell import Event
from tepui.model.v1.agent import Call, Response
from tepui.model.v1.mesos import ResourceStatistics
from tepui.model.validation import validate_agent_call
from tepui.server.exchange import Exchange
from tepui.server.files import Files
from tepui.server.log import LoggingLevel
from tepui.server.operator_api import ShellCalls
from tepui.server.requests import is_valid
from tepui.transport.hot import HotRequest
from tepui.wire.errors import DecodeError
from tepui.wire.media import MediaError, agent_exchange, check_streaming, decode

Statistics = Callable[[], dict[str, ResourceStatistics]]


def _agents_sentence(sentence: str) -> str:
    """What is wrong with a body, in the words of this API: it says less than the others (Mesos 1.11)."""
    if sentence == "Failed to parse body into Call protobuf":
        return "Failed to parse body into a protobuf object"
    return sentence.removeprefix("Failed to convert JSON into Call protobuf: ")


class AgentOperatorApi:
    """Handles /api/v1 of an agent."""

    def __init__(
        self,
        exchange: Exchange,
        post: Callable[[Event], None],
        files: Files,
        level: LoggingLevel,
        statistics: Statistics,
    ) -> None:
        """`statistics` measures the usage of all runs."""
        self._exchange = exchange
        self._post = post
        self._statistics = statistics
        self._shell_calls = ShellCalls(files, level, Response)

    def handle(self, request: HotRequest) -> None:
        if request.method != "POST":
            request.answer_method_not_allowed("POST")
            return
        try:
            forms = agent_exchange(
                request.header("content-type"),
                request.header("accept"),
                request.header("message-content-type"),
                request.header("message-accept"),
            )
            call = decode(forms.request, Call, request.body)
            if not is_valid(request, call, "agent::Call", validate_agent_call):
                return
            check_streaming(forms, "" if call.type is None else call.type.value)
        except MediaError as error:
            request.answer_text(error.status, error.sentence)
            return
        except DecodeError as error:
            request.answer_text(400, _agents_sentence(error.sentence))
            return
        if self._shell_calls.answer(request, call, forms.answer):
            return
        statistics = self._statistics() if call.type is Call.Type.GET_CONTAINERS else {}
        number = self._exchange.wait(request, forms.answer)
        self._post(OperatorCall(number, None, call, statistics))
