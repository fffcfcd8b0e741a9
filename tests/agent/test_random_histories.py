"""Random histories: links, executors and acknowledgements fail in any order, and what must hold holds after each event.

The test keeps its own simple picture of what a correct agent owes: every update that an executor was told ACKNOWLEDGED
for, and every task that was launched, reaches a master that acknowledges, in order, one at a time.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tepui.agent.core import AgentCore
from tepui.agent.events import (
    ExecutorCall,
    ExecutorSubscribe,
    KillRun,
    LinkDown,
    LinkReceived,
    LinkUp,
    RunExited,
    RunFailed,
    RunStarted,
    StartRun,
)
from tepui.agent.invariants import check
from tepui.model import link
from tepui.model.shell import CloseSession, Event, OpenSession, Send, SendLink, SessionClosed, Store, Stored, Tick
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1 import executor
from tepui.model.v1.mesos import (
    CommandInfo,
    DrainConfig,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    MasterInfo,
)
from tests.agent.stage import BEGIN, config, executor_info, framework_info, status, task_info

FRAMEWORKS = ("plain", "checkpointing")
EXECUTORS = ("e1", "e2")
STATES = ("STARTING", "RUNNING", "KILLING", "FINISHED", "FAILED", "KILLED")


class Agent(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.core = AgentCore(config(), Random(seed))
        self.now = BEGIN
        self.number = 0
        self.link: str | None = None
        self.welcomed = False
        self.epoch = 1
        self.unstored: list[int] = []
        self.runs: dict[str, tuple[str, str]] = {}
        self.sessions: dict[str, tuple[str, str]] = {}
        self.outstanding: dict[tuple[str, str], bytes] = {}
        """What the master was sent and has not acknowledged."""
        self.heard: dict[tuple[str, str], list[bytes]] = {}
        """All that was acknowledged for each task, in order."""
        self.promised: dict[tuple[str, str], list[bytes]] = {}
        """What executors were told ACKNOWLEDGED for, in order."""
        self.sent: dict[tuple[str, str], list[bytes]] = {}
        """Updates that executors sent, in order, duplicates left out."""
        self.over: dict[tuple[str, str], bool] = {}
        """Tasks launched: whether the master heard a terminal state and acknowledged it."""
        self.delivered: set[tuple[str, str]] = set()

    # The shell.

    def say(self, event: Event) -> None:
        effects = self.core.handle(event, self.now)
        check(self.core.records)
        for effect in effects:
            self._apply(effect)

    def _apply(self, effect: Any) -> None:
        match effect:
            case SendLink(link=name, message=link.StatusUpdate() as message):
                assert name == self.link
                assert self.welcomed, "nothing is sent before the welcome"
                key = (message.framework_id, message.status.task_id.value)
                uuid = message.status.uuid or b""
                assert self.outstanding.get(key, uuid) == uuid, "one update of a task is outstanding"
                assert uuid not in self.heard.get(key, []), "what is acknowledged is not sent again"
                self.outstanding[key] = uuid
                assert self._stored(key, uuid), "what the master hears is stored"
            case Send(session=session, event=executor.Event() as event):
                assert session in self.sessions, "only open streams are written to"
                self._executor_hears(self.sessions[session], event)
            case OpenSession() | SendLink() | KillRun():
                pass
            case CloseSession(session=session):
                self.sessions.pop(session, None)
            case StartRun(run=run):
                self.runs[run] = (effect.framework_id, effect.executor_id)
            case Store(token=token):
                self.unstored.append(token)

    def _stored(self, key: tuple[str, str], uuid: bytes) -> bool:
        task = self.core.records.frameworks[key[0]].tasks[key[1]]
        token = next(token for token, one in task.pending if one.uuid == uuid)
        return token not in self.unstored

    def _executor_hears(self, whose: tuple[str, str], event: executor.Event) -> None:
        if event.launch is not None:
            key = (whose[0], event.launch.task.task_id.value)
            assert key not in self.delivered, "a task is delivered once"
            self.delivered.add(key)
        if event.acknowledged is not None:
            key = (whose[0], event.acknowledged.task_id.value)
            self.promised.setdefault(key, []).append(event.acknowledged.uuid)

    def receive(self, message: link.LinkMessage) -> None:
        assert self.link is not None
        self.say(LinkReceived(self.link, message))

    def next(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    # The master.

    @rule()
    def connect(self) -> None:
        self.link = self.next("l")
        self.welcomed = False
        self.outstanding.clear()
        self.say(LinkUp(self.link))

    @precondition(lambda self: self.link is not None)
    @rule(newer=st.booleans())
    def welcome(self, newer: bool) -> None:
        self.epoch += newer
        if not self.welcomed:
            # An agent sends what waits while it handles the welcome.
            self.welcomed = True
            master = MasterInfo(id="M", ip=1, port=5050)
            self.receive(
                link.Welcome(protocol=1, agent_id="S0", epoch=self.epoch, master=master, ping_timeout_seconds=75.0)
            )
            for framework_id in FRAMEWORKS:
                if not self.terminating(framework_id):
                    self.describe(framework_id)

    def terminating(self, framework_id: str) -> bool:
        framework = self.core.records.frameworks.get(framework_id)
        return framework is not None and framework.terminating

    def describe(self, framework_id: str) -> None:
        checkpoint = framework_id == "checkpointing"
        info = framework_info(framework_id, checkpoint=checkpoint, killing=checkpoint)
        self.receive(link.FrameworkUpdate(framework=info))

    @precondition(lambda self: self.welcomed)
    @rule(framework_id=st.sampled_from(FRAMEWORKS))
    def remove_framework(self, framework_id: str) -> None:
        """Nobody hears of its tasks any more."""
        for known in (self.over, self.outstanding):
            for key in [key for key in known if key[0] == framework_id]:
                del known[key]
        self.receive(link.ShutdownFramework(framework_id=framework_id))

    @precondition(lambda self: self.link is not None)
    @rule()
    def disconnect(self) -> None:
        assert self.link is not None
        name, self.link, self.welcomed = self.link, None, False
        self.outstanding.clear()
        self.say(LinkDown(name, "gone"))

    @precondition(lambda self: self.welcomed)
    @rule()
    def ping(self) -> None:
        self.receive(link.Ping())

    @precondition(lambda self: self.welcomed)
    @rule(
        framework_id=st.sampled_from(FRAMEWORKS),
        executor_id=st.sampled_from((*EXECUTORS, "-", "pod")),
        count=st.integers(1, 3),
        group=st.booleans(),
        limited=st.booleans(),
    )
    def launch(self, framework_id: str, executor_id: str, count: int, group: bool, limited: bool) -> None:
        if self.terminating(framework_id):
            return  # a master launches nothing of a framework that is gone
        if framework_id not in self.core.records.framework_infos:
            self.describe(framework_id)
        tasks = [task_info(self.next("t")) for _ in range(count)]
        for task in tasks:
            self.over[framework_id, task.task_id.value] = False
            task.command = CommandInfo(value="true") if executor_id in ("-", "pod") else None
            task.max_completion_time = DurationInfo(nanoseconds=10**9) if limited else None
        info: ExecutorInfo | None = executor_info(framework_id, executor_id)
        assert info is not None
        if executor_id == "pod":
            info.type, info.command = ExecutorInfo.Type.DEFAULT, None
        elif executor_id == "-":
            info, group = None, False
        self.receive(link.Launch(framework_id=framework_id, tasks=tasks, executor=info, group=group))

    @precondition(lambda self: self.welcomed and self.over)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        framework_id, task_id = data.draw(st.sampled_from(sorted(self.over)))
        if not self.over[framework_id, task_id]:
            self.receive(link.Kill(framework_id=framework_id, task_id=task_id))

    @precondition(lambda self: self.welcomed and self.outstanding)
    @rule(data=st.data(), right=st.booleans())
    def acknowledge(self, data: st.DataObject, right: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.outstanding)))
        uuid = self.outstanding[key]
        if not right:
            self.receive(link.Acknowledge(framework_id=key[0], task_id=key[1], uuid=uuid[::-1]))
            return
        task = self.core.records.frameworks[key[0]].tasks[key[1]]
        last = task.pending[0][1].state in TERMINAL_STATES
        del self.outstanding[key]
        self.heard.setdefault(key, []).append(uuid)
        self.receive(link.Acknowledge(framework_id=key[0], task_id=key[1], uuid=uuid))
        if last:
            assert not self.over.get(key, False), "a task ends once"
            self.over[key] = True

    @precondition(lambda self: self.welcomed)
    @rule(framework_id=st.sampled_from(FRAMEWORKS), executor_id=st.sampled_from((*EXECUTORS, "pod")))
    def shut_down(self, framework_id: str, executor_id: str) -> None:
        self.receive(link.ShutdownExecutor(framework_id=framework_id, executor_id=executor_id))

    @precondition(lambda self: self.welcomed)
    @rule(drains=st.booleans(), mark_gone=st.booleans())
    def drain(self, drains: bool, mark_gone: bool) -> None:
        config = DrainConfig(max_grace_period=DurationInfo(nanoseconds=10**9), mark_gone=mark_gone)
        self.receive(link.Drain(config=config if drains else None))

    # Executors.

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), how=st.sampled_from(("exited", "unseen", "failed")))
    def run_ends(self, data: st.DataObject, how: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.runs)))
        del self.runs[run]
        if how == "failed":
            self.say(RunFailed(run, "no such file"))
        else:
            self.say(RunExited(run, 9 if how == "exited" else None))

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def run_starts(self, data: st.DataObject) -> None:
        self.say(RunStarted(data.draw(st.sampled_from(sorted(self.runs))), 7))

    @rule(
        framework_id=st.sampled_from(FRAMEWORKS),
        executor_id=st.sampled_from(EXECUTORS),
        data=st.data(),
    )
    def subscribe(self, framework_id: str, executor_id: str, data: st.DataObject) -> None:
        known = [one for one in self.core.records.executors() if one.executor_id == executor_id]
        held = [task for one in known if one.framework_id == framework_id for task in one.tasks]
        kept = data.draw(st.lists(st.sampled_from(sorted(held)), unique=True)) if held else []
        session = self.next("s")
        self.sessions[session] = (framework_id, executor_id)
        call = executor.Call(
            executor_id=ExecutorID(value=executor_id),
            framework_id=FrameworkID(value=framework_id),
            type=executor.Call.Type.SUBSCRIBE,
            subscribe=executor.Call.Subscribe(
                unacknowledged_tasks=[task_info(task_id) for task_id in kept],
            ),
        )
        self.say(ExecutorSubscribe(self.number, session, None, call))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def stream_breaks(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        del self.sessions[session]
        self.say(SessionClosed(session, "gone"))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data(), state=st.sampled_from(STATES), again=st.booleans())
    def update(self, data: st.DataObject, state: str, again: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.delivered)))
        executor_id = data.draw(st.sampled_from(EXECUTORS))
        one = status(key[1], state, self.next("u"))
        call = executor.Call(
            executor_id=ExecutorID(value=executor_id),
            framework_id=FrameworkID(value=key[0]),
            type=executor.Call.Type.UPDATE,
            update=executor.Call.Update(status=one),
        )
        self.sent.setdefault(key, []).append(one.uuid or b"")
        for _ in range(1 + again):
            self.say(ExecutorCall(self.number, None, call))

    # Time and storage.

    @precondition(lambda self: self.unstored)
    @rule(data=st.data())
    def stored(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, len(self.unstored)))
        token = self.unstored[count - 1]
        del self.unstored[:count]
        self.say(Stored(token))

    @rule()
    def time_passes(self) -> None:
        deadline = self.core.next_deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
        self.say(Tick())
        state = self.core.records
        if state.link is None and self.link is not None:
            self.link, self.welcomed = None, False  # it gave the master up
            self.outstanding.clear()

    # What must hold.

    @invariant()
    def updates_of_a_task_are_heard_in_order(self) -> None:
        for key, heard in getattr(self, "heard", {}).items():
            of_executors = [uuid for uuid in heard if uuid in self.sent.get(key, [])]
            order = [self.sent[key].index(uuid) for uuid in of_executors]
            assert order == sorted(order)

    @invariant()
    def what_is_launched_is_reported_or_here(self) -> None:
        for (framework_id, task_id), over in getattr(self, "over", {}).items():
            framework = self.core.records.frameworks.get(framework_id)
            here = framework is not None and task_id in framework.tasks
            assert here != over, "a task is here until its terminal state is acknowledged"

    def _finish(self) -> None:
        """What is to be stored is stored, and every run exits."""
        if self.unstored:
            token = self.unstored[-1]
            self.unstored.clear()
            self.say(Stored(token))
        for run in list(self.runs):
            del self.runs[run]
            self.say(RunExited(run, 0))
        self.now += 1
        self.say(Tick())

    def teardown(self) -> None:
        """Everything ends well: whatever happened, every task gets a terminal state that is acknowledged."""
        if not hasattr(self, "core"):
            return
        self.connect()
        self.welcome(False)
        self._finish()
        while self.unstored or self.runs:
            self._finish()
        while self.outstanding:
            for key, uuid in list(self.outstanding.items()):
                del self.outstanding[key]
                self.heard.setdefault(key, []).append(uuid)
                self.receive(link.Acknowledge(framework_id=key[0], task_id=key[1], uuid=uuid))
        assert self.core.records.frameworks == {}
        assert not self.core.records.runs
        assert not self.core.records.task_runs
        for key, promised in self.promised.items():
            taken = [uuid for uuid in promised if uuid in self.heard.get(key, [])]
            order = [self.heard[key].index(uuid) for uuid in dict.fromkeys(taken)]
            assert order == sorted(order)


TestRandomHistories = Agent.TestCase
TestRandomHistories.settings = settings(max_examples=75, stateful_step_count=60, deadline=None)


@pytest.mark.slow
class TestManyLongRandomHistories(TestRandomHistories):  # type: ignore[misc,valid-type] # made by hypothesis
    settings = settings(max_examples=1500, stateful_step_count=80, deadline=None)
