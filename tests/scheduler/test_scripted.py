"""The scheduler's shell against a scripted transport: every failure, at every point."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tepui.model.v1.mesos import AgentID, TaskID, TaskState, TaskStatus
from tepui.model.v1.scheduler import Call, Event
from tepui.scheduler import (
    CallLost,
    CallRefusedError,
    Disconnected,
    Handler,
    Offers,
    Scheduler,
    Settings,
    Subscribed,
    SubscriptionError,
    Update,
    run,
)
from tepui.testing import ACCEPTED, CUT, TEST_SECONDS_MAX, Answer, SchedulerTransport, scheduler_events
from tepui.transport.conversation import BACKLOG_MAX

SETTINGS = Settings(backoff_seconds_first=0.001, backoff_seconds_max=0.002)
SUBSCRIBED = scheduler_events.subscribed("f")
HEARTBEAT = scheduler_events.heartbeat()
Transport = SchedulerTransport
Play = Callable[[Scheduler, Transport], Awaitable[None]]


def perform(play: Play, *, end: bool = True) -> Transport:
    """Play with a scheduler on a scripted transport; what was done."""

    async def main() -> Transport:
        transport = SchedulerTransport()
        async with asyncio.timeout(TEST_SECONDS_MAX), make(transport) as scheduler:
            await play(scheduler, transport)
            scheduler.stop(failover=end)
        assert transport.is_closed
        return transport

    return asyncio.run(main())


def make(transport: Transport) -> Scheduler:
    return Scheduler("m1:1,m2:2", "scripted", settings=SETTINGS, transport=transport)


def update(task_id: str, uuid: bytes | None = b"1" * 16) -> Event:
    status = TaskStatus(
        task_id=TaskID(value=task_id), state=TaskState.TASK_RUNNING, agent_id=AgentID(value="a"), uuid=uuid
    )
    return Event(type=Event.Type.UPDATE, update=Event.Update(status=status))


def offers(*offer_ids: str) -> Event:
    return scheduler_events.offers(*(scheduler_events.offer(name, framework_id="f") for name in offer_ids))


@pytest.mark.parametrize(
    "failure",
    [CUT, Answer(503, "No leader elected"), Answer(307, "", None, "//m2:2/api/v1/scheduler"), Answer(500)],
    ids=["refused", "503", "307", "500"],
)
@pytest.mark.parametrize("times", [1, 8])
def test_subscribing_fails_at_first(failure: Answer, times: int) -> None:
    async def play(scheduler: Scheduler, transport: Transport) -> None:
        transport.openings = [failure] * times
        (await transport.stream(1)).send(SUBSCRIBED, HEARTBEAT)
        assert await anext(scheduler) == Subscribed("f", again=False, master=None)
        assert len(transport.urls) == times + 1
        assert "http://m2:2/api/v1/scheduler" in transport.urls

    perform(play)


BREAKS: dict[str, Callable[[Any], None]] = {
    "cut": lambda stream: stream.cut(),
    "ended": lambda stream: stream.end(),
    "no record": lambda stream: stream.send_bytes(b"abc\n"),
    "no message": lambda stream: stream.send_bytes(b"4\n{{{{"),
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("when", ["before SUBSCRIBED", "after SUBSCRIBED", "with an offer", "with an update"])
def test_a_stream_breaks(how: str, when: str) -> None:
    """The framework comes back with its id, on a stream of its own; nothing is shown twice."""

    async def play(scheduler: Scheduler, transport: Transport) -> None:
        first = await transport.stream(1)
        events = {
            "before SUBSCRIBED": [],
            "after SUBSCRIBED": [SUBSCRIBED],
            "with an offer": [SUBSCRIBED, offers("o")],
            "with an update": [SUBSCRIBED, update("t")],
        }[when]
        if events:
            first.send(*events)
        BREAKS[how](first)
        second = await transport.stream(2)
        assert first.is_closed
        second.send(SUBSCRIBED, update("t"), update("end", b"2" * 16))
        seen = []
        async for event in scheduler:
            seen.append(event)
            if isinstance(event, Update) and event.task_id == "end":
                break
        assert [event.task_id for event in seen if isinstance(event, Update)] == ["t", "end"]
        assert sum(isinstance(event, Disconnected) for event in seen) == bool(events)
        assert not any(isinstance(event, Offers) for event in seen), "its offers went with the stream"
        again = transport.subscriptions[1].framework_id
        assert (again is None) == (when == "before SUBSCRIBED")

    transport = perform(play)
    acknowledged = [call.acknowledge.uuid for call in transport.calls if call.acknowledge is not None]
    assert list(dict.fromkeys(acknowledged)) == [b"1" * 16, b"2" * 16], (
        "leaving the block counts as having dealt with the last"
    )
    assert set(transport.stream_ids) == {"stream2"}


CALL_FAILURES = {
    "cut": CUT,
    "503": Answer(503, "Master has not finished recovery"),
    "307": Answer(307, "", None, "//m2:2/api/v1/scheduler"),
    "500": Answer(500, "500 Internal Server Error."),
    "not subscribed": Answer(403, "Framework is not subscribed"),
}


@pytest.mark.parametrize("failure", CALL_FAILURES)
@pytest.mark.parametrize("kind", ["KILL", "RECONCILE", "ACKNOWLEDGE", "ACCEPT", "SUPPRESS"])
def test_a_call_fails(failure: str, kind: str) -> None:
    """What may be done twice is; an ACCEPT is reported, and never sent again; suppression holds."""

    async def play(scheduler: Scheduler, transport: Transport) -> None:
        failures = [CALL_FAILURES[failure]]

        def answer(call: Call) -> Any:
            assert call.type is not None
            return failures.pop() if failures and call.type.value == kind else ACCEPTED

        transport.answer = answer
        first = await transport.stream(1)
        first.send(SUBSCRIBED, offers("o"), update("t"))
        assert isinstance(await anext(scheduler), Subscribed)
        event = await anext(scheduler)
        assert isinstance(event, Offers)
        if kind == "ACCEPT":
            scheduler.launch(event.offers[0], [event.offers[0].task("true")])
        elif kind == "KILL":
            scheduler.kill("t")
        elif kind == "RECONCILE":
            scheduler.reconcile(["t"])
        elif kind == "SUPPRESS":
            scheduler.suppress()
        assert isinstance(await anext(scheduler), Update)
        pending = asyncio.create_task(anext(scheduler))
        await transport.wait(lambda: kind in transport.kinds)
        if failure == "not subscribed":
            first.end()
        if failure == "cut":
            await after_a_cut(transport, kind)
        else:
            (await transport.stream(2)).send(SUBSCRIBED)
            if kind in ("KILL", "RECONCILE", "ACKNOWLEDGE"):
                await transport.wait(lambda: transport.kinds.count(kind) >= 2)
        if kind == "SUPPRESS" and failure != "cut":
            subscribe = transport.subscriptions[1].subscribe
            assert subscribe is not None
            assert subscribe.suppressed_roles == ["*"]
        event_after = await pending if failure != "cut" or kind == "ACCEPT" else None
        pending.cancel()
        if kind == "ACCEPT":
            assert isinstance(event_after, CallLost)
            assert event_after.sent == (failure in ("cut", "500"))
            assert transport.kinds.count("ACCEPT") == 1

    perform(play)


async def after_a_cut(transport: Transport, kind: str) -> None:
    """The stream goes on."""
    if kind == "ACCEPT":
        await transport.wait(lambda: {"DECLINE", "RECONCILE"} <= set(transport.kinds))
    else:
        await transport.wait(lambda: transport.kinds.count(kind) == 2)
    assert len(transport.streams) == 1


def test_what_the_master_refuses_reaches_the_caller() -> None:
    async def bad_call(scheduler: Scheduler, transport: Transport) -> None:
        transport.answer = lambda _: Answer(400, "Failed to validate scheduler::Call: bad")
        (await transport.stream(1)).send(SUBSCRIBED)
        scheduler.kill("t")
        async for _ in scheduler:
            pass

    async def error(scheduler: Scheduler, transport: Transport) -> None:
        refusal = Event(type=Event.Type.ERROR, error=Event.Error(message="Not authorized"))
        (await transport.stream(1)).send(SUBSCRIBED, refusal)
        async for _ in scheduler:
            pass

    with pytest.raises(CallRefusedError, match="Failed to validate"):
        perform(bad_call)
    with pytest.raises(SubscriptionError, match="Not authorized"):
        perform(error)


def test_a_handler_that_raises_has_not_handled_the_update() -> None:
    class Broken(Handler):
        async def update(self, event: Update) -> None:
            raise KeyError(event.task_id)

    async def main() -> None:
        transport = SchedulerTransport()
        running = asyncio.create_task(run(make(transport), Broken()))
        (await transport.stream(1)).send(SUBSCRIBED, update("t"))
        with pytest.raises(KeyError, match="t"):
            await running
        assert transport.kinds == [], "not acknowledged, not torn down"
        assert transport.is_closed

    asyncio.run(main())


def test_stop_wakes_an_iteration_that_waits() -> None:
    async def play(scheduler: Scheduler, transport: Transport) -> None:
        (await transport.stream(1)).send(SUBSCRIBED)
        await anext(scheduler)
        waiting = asyncio.create_task(anext(scheduler))
        await asyncio.sleep(0)
        scheduler.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting

    assert perform(play, end=False).kinds == ["TEARDOWN"]


def test_a_slow_framework_holds_the_master_back() -> None:
    """Of more events than fit only some are read, until the framework has caught up; none is lost."""

    async def play(scheduler: Scheduler, transport: Transport) -> None:
        stream = await transport.stream(1)
        stream.send(SUBSCRIBED)
        count = 3 * BACKLOG_MAX
        for number in range(count):
            stream.send(update(f"t{number}", None))
        await anext(scheduler)
        assert scheduler._conversation is not None
        while scheduler._conversation._room.is_set():
            await asyncio.sleep(0)
        assert len(scheduler._conversation._items) <= BACKLOG_MAX + 1
        for number in range(count):
            event = await anext(scheduler)
            assert isinstance(event, Update)
            assert event.task_id == f"t{number}"

    perform(play)
