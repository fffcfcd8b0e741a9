"""Random histories of operations: crashes, links and failing disks between any two steps.

The test keeps a journal (what was stored), a disk (directories, and whether somebody wrote into them) and what the
agent said, and holds it to that: what is said is stored, what is stored outlives a crash, and a new volume is empty.
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
    LinkDown,
    LinkReceived,
    LinkUp,
    MakeVolumes,
    Reconnect,
    RemoveVolumes,
    VolumeErased,
    VolumesMade,
    VolumesMoved,
)
from tepui.agent.invariants import check
from tepui.agent.journal import JournalRecord, OperationHeld, ResourcesCheckpointed
from tepui.agent.volumes import VolumeDirectory, directories
from tepui.model import link
from tepui.model.operations import apply_checkpointed, conversion
from tepui.model.resources import Resources
from tepui.model.shell import Event, SendLink, Store, Stored, Tick
from tepui.model.v1.mesos import MasterInfo, Offer, OperationState, Resource
from tests.agent.stage import BEGIN, config, kept_only, operation, resources, uuid_of

WORK_DIR = "/work_dir"
OPERATIONS = (
    ("RESERVE", "cpus:1@eng+disk:100@eng"),
    ("RESERVE", "disk:50@eng@eng/dev"),
    ("UNRESERVE", "cpus:1@eng"),
    ("UNRESERVE", "disk:50@eng@eng/dev"),
    ("CREATE", "disk:20@eng#a:data"),
    ("CREATE", "disk:20@eng#b:data"),
    ("CREATE", "disk:10@eng#s:data*"),
    ("DESTROY", "disk:20@eng#a:data"),
    ("DESTROY", "disk:20@eng#b:data"),
    ("DESTROY", "disk:10@eng#s:data*"),
    ("GROW_VOLUME", "disk:20@eng#a:data", "disk:5@eng"),
    ("SHRINK_VOLUME", "disk:25@eng#a:data", "5"),
)


class Agent(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.seed = seed
        self.now = BEGIN
        self.number = 0
        self.kept: list[Any] = [ResourcesCheckpointed(resources("cpus:1@eng+disk:300@eng"))]
        self.disk: dict[VolumeDirectory, str] = {}
        """Whether each directory is `new` or `used`."""
        self.asked: dict[bytes, Offer.Operation] = {}
        self.said: dict[bytes, OperationState] = {}
        self.own = Resources.of(config().info.resources)
        self.believed = self.own
        """What the master counts on."""
        self.unanswered: dict[bytes, Offer.Operation] = {}
        self.start()
        self.connect(True)

    def start(self) -> None:
        """An agent on what is stored and on the disk."""
        self.link: str | None = None
        self.welcomed = False
        self.unstored: list[tuple[int, list[Any]]] = []
        self.coming: list[Event] = []
        """What the shell has done and the core has not heard."""
        self.seed += 1
        durable = kept_only(self.kept)
        self.core = AgentCore(config(), Random(self.seed), agent_id="S0", epoch=1, durable=durable)
        check(self.core.records)
        alive = directories(self.core.records.checkpointed, WORK_DIR)
        doomed = self.core.records.doomed_volumes
        for directory, what in self.disk.items():
            assert what == "new" or directory in alive or directory in doomed.values(), "nothing used is left behind"
        for trash, directory in doomed.items():
            if directory not in alive:
                self.disk.pop(directory, None)
            self.coming.append(VolumeErased(trash))
        for directory in alive:
            self.disk.setdefault(directory, "new")

    # The shell.

    def say(self, event: Event) -> None:
        effects = self.core.handle(event, self.now)
        check(self.core.records)
        for effect in effects:
            self.apply(effect)

    def apply(self, effect: Any) -> None:
        match effect:
            case SendLink(message=link.OperationUpdate() as message):
                self.hear(message)
            case SendLink(message=link.CheckpointedResources() as message):
                self.believe(message.resources)
            case SendLink(message=link.Snapshot() as message):
                self.unanswered.clear()
                self.believe(message.resources)
                assert Resources.of(message.resources) == self.stored_resources(), "what is said is stored"
                held = {one.operation_uuid for one in kept_only(self.kept) if isinstance(one, OperationHeld)}
                assert {one.uuid.value for one in message.operations} <= held, "what is said is stored"
            case Store(token=token, records=records):
                self.unstored.append((token, list(records)))
            case MakeVolumes(operation_uuid=uuid, directories=made):
                for directory in made:
                    assert self.disk.get(directory) != "used", "a new volume is empty"
                    self.disk[directory] = "new"
                self.coming.append(VolumesMade(uuid))
            case RemoveVolumes(operation_uuid=uuid, directories=removed):
                self.coming.append(VolumesMoved(uuid))
                for trash, directory in removed:
                    self.disk.pop(directory, None)
                    self.coming.append(VolumeErased(trash))
            case Reconnect():  # no ping for too long
                self.link, self.welcomed = None, False

    def stored_resources(self) -> Resources:
        found = [one for one in self.kept if isinstance(one, ResourcesCheckpointed)]
        return Resources.of(found[-1].resources) if found else Resources.NONE

    def believe(self, told: list[Resource]) -> None:
        """As a master does: what the agent says, and on top what it has not answered."""
        self.believed = apply_checkpointed(self.own, Resources.of(told))
        for info in self.unanswered.values():
            self.count_on(info)

    def count_on(self, info: Offer.Operation) -> None:
        consumed, converted = conversion(info)
        if self.believed.contains(consumed):
            self.believed = self.believed - consumed + converted

    def hear(self, message: link.OperationUpdate) -> None:
        assert self.welcomed, "nothing is sent before the welcome"
        uuid = message.operation_uuid
        self.unanswered.pop(uuid, None)
        first = uuid not in self.said
        state = self.said.setdefault(uuid, message.status.state)
        assert state is message.status.state, "a terminal state is never left"
        if first and state is OperationState.OPERATION_FINISHED:
            consumed, converted = conversion(self.asked[uuid])
            kept = self.stored_resources()
            for kind, amount in converted - converted.without(kept):
                assert kept.contains(Resources([(kind, amount)]))
            if self.asked[uuid].type is Offer.Operation.Type.DESTROY:
                assert not kept.contains(consumed), "what is said is stored"
            elif self.asked[uuid].type is not Offer.Operation.Type.UNRESERVE:
                assert kept.contains(converted.reserved()), "what is said is stored"

    def next(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    # The master.

    @rule(admitted=st.booleans())
    def connect(self, admitted: bool) -> None:
        self.link = self.next("l")
        self.welcomed = False
        self.say(LinkUp(self.link))
        if admitted and self.link is not None:
            self.welcome()

    @precondition(lambda self: self.link is not None and not self.welcomed)
    @rule()
    def welcome(self) -> None:
        self.welcomed = True
        master = MasterInfo(id="M", ip=1, port=5050)
        self.receive(link.Welcome(protocol=1, agent_id="S0", epoch=1, master=master, ping_timeout_seconds=75.0))

    def receive(self, message: link.LinkMessage) -> None:
        assert self.link is not None
        self.say(LinkReceived(self.link, message))

    @precondition(lambda self: self.link is not None)
    @rule()
    def disconnect(self) -> None:
        assert self.link is not None
        name, self.link, self.welcomed = self.link, None, False
        self.say(LinkDown(name, "gone"))

    @rule(
        one=st.sampled_from(OPERATIONS),
        feedback=st.booleans(),
        again=st.booleans(),
        ends=st.booleans(),
        crashes=st.booleans(),
    )
    def operate(self, one: tuple[str, ...], feedback: bool, again: bool, ends: bool, crashes: bool) -> None:
        if not self.welcomed:
            self.connect(True)
        name = self.next("o")
        kind, first, *second = one
        info = operation(kind, first, second[0] if second else "", name if feedback else "")
        self.asked[uuid_of(name)] = info
        message = link.ApplyOperation(operation_uuid=uuid_of(name), framework_id="f1", info=info)
        self.unanswered[uuid_of(name)] = info
        self.count_on(info)
        for _ in range(1 + again):
            if self.welcomed:
                self.receive(message)
        while ends and (self.unstored or self.coming):
            self.go_on()
        self.volumes_are_used()
        if crashes:
            self.crash(again)

    def go_on(self) -> None:
        """The next thing that the shell has to do."""
        if self.unstored:
            self.store(len(self.unstored))
        else:
            self.say(self.coming.pop(0))

    @precondition(lambda self: self.welcomed and self.core.records.operations)
    @rule(data=st.data(), right=st.booleans())
    def acknowledge(self, data: st.DataObject, right: bool) -> None:
        held = data.draw(st.sampled_from(sorted(self.core.records.operations)))
        status = self.core.records.operations[held].status
        assert status.uuid is not None
        uuid = status.uuid.value if right else bytes(16)
        self.receive(link.AcknowledgeOperation(operation_uuid=held, status_uuid=uuid))

    # Tasks, time, storage, crashes.

    @rule()
    def volumes_are_used(self) -> None:
        for directory in directories(self.core.records.checkpointed, WORK_DIR):
            if self.core.records.applying is None:
                assert directory in self.disk, "a volume that is in force is on the disk"
                self.disk[directory] = "used"

    @precondition(lambda self: self.coming)
    @rule(fails=st.booleans())
    def shell_says(self, fails: bool) -> None:
        event = self.coming.pop(0)
        if isinstance(event, VolumesMade) and fails:
            event = VolumesMade(event.operation_uuid, "The disk is read-only")
        self.say(event)

    @precondition(lambda self: self.unstored)
    @rule(data=st.data())
    def stored(self, data: st.DataObject) -> None:
        self.store(data.draw(st.integers(1, len(self.unstored))))

    def store(self, count: int) -> None:
        token = self.unstored[count - 1][0]
        for _, records in self.unstored[:count]:
            self.kept += [one for one in records if isinstance(one, JournalRecord) and one.durable]
        del self.unstored[:count]
        self.say(Stored(token))

    @rule()
    def time_passes(self) -> None:
        deadline = self.core.next_deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
        self.say(Tick())

    @rule(written=st.booleans())
    def crash(self, written: bool) -> None:
        """Perhaps after the disk took what was to be stored, but before anybody was told."""
        if written and self.unstored:
            for _, records in self.unstored:
                self.kept += [one for one in records if isinstance(one, JournalRecord) and one.durable]
        before = self.stored_resources()
        self.start()
        assert self.core.records.checkpointed == before, "what is stored outlives a crash"

    @invariant()
    def what_is_in_force_is_stored(self) -> None:
        if hasattr(self, "core"):
            assert self.core.records.checkpointed == self.stored_resources()

    def teardown(self) -> None:
        """Whatever happened, every status is heard in the end, and nothing of a destroyed volume is left."""
        if not hasattr(self, "core"):
            return
        for _ in range(1000):
            if self.unstored or self.coming:
                self.go_on()
            elif self.link is None or not self.welcomed:
                self.connect(True)
            elif self.core.records.operations:
                uuid, held = next(iter(self.core.records.operations.items()))
                assert held.status.uuid is not None
                assert uuid in self.said, "every status is told"
                self.receive(link.AcknowledgeOperation(operation_uuid=uuid, status_uuid=held.status.uuid.value))
            else:
                break
        state = self.core.records
        assert state.applying is None
        assert self.believed == state.total, "the master comes to believe what is so"
        assert state.operations == {}
        assert state.doomed_volumes == {}
        assert set(directories(state.checkpointed, WORK_DIR)) <= set(self.disk)
        assert not [one for one in kept_only(self.kept) if not isinstance(one, ResourcesCheckpointed)]


TestOperationHistories = Agent.TestCase
TestOperationHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.slow
class TestManyLongOperationHistories(TestOperationHistories):  # type: ignore[misc,valid-type] # made by hypothesis
    settings = settings(max_examples=400, stateful_step_count=60, deadline=None)
