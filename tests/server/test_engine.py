"""A fault while one event is handled costs that event's request a 500, and nobody else anything."""

import logging

import pytest

from tepui.model.shell import Answer, CloseLink, Effect, Event, Tick
from tepui.server.engine import Engine


class Asked(Event):
    request: int


class FaultyCore:
    def handle(self, event: Event, now: float) -> list[Effect]:  # noqa: ARG002 - the signature is fixed
        if isinstance(event, Asked) and event.request == 13:
            raise ZeroDivisionError
        return [Answer(event.request, 202)] if isinstance(event, Asked) else []

    def next_deadline(self) -> float | None:
        return None


class Heard(Event):
    link: str


def test_a_fault_while_a_link_is_heard_closes_it() -> None:
    closed: list[CloseLink] = []

    class Broken:
        def handle(self, event: Event, now: float) -> list[Effect]:  # noqa: ARG002 - the signature is fixed
            raise ZeroDivisionError

        def next_deadline(self) -> float | None:
            return None

    engine = Engine(Broken(), {CloseLink: closed.append})
    logging.disable()
    try:
        engine.step(Heard("l1"), 0.0)
    finally:
        logging.disable(logging.NOTSET)
    assert [effect.link for effect in closed] == ["l1"]


def test_a_fault_is_logged_answered_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Answer] = []
    engine = Engine(FaultyCore(), {Answer: answers.append})
    with caplog.at_level(logging.CRITICAL, logger="tepui"):
        for event in (Asked(1), Asked(13), Tick(), Asked(2)):
            engine.step(event, 0.0)
    assert [(answer.request, answer.status) for answer in answers] == [(1, 202), (13, 500), (2, 202)]
    assert engine.failures == 1
