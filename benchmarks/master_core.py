"""The cost of one task's life in the master core alone: no sockets, no encoding.

One framework, some agents, warm executors: each round accepts the offers, launches tasks with one ExecutorInfo in
batches of 20, hears TASK_RUNNING and TASK_FINISHED of each, acknowledges both, and ticks. Prints microseconds per task.

    python -m benchmarks.master_core [--tasks N] [--agents N] [--mirrors N] [--profile]

With mirrors, what standbys are told of the tasks is made and encoded as well.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
import tracemalloc
from random import Random

import msgspec

from tepui.allocator import DrfAllocator
from tepui.master.config import MasterConfig
from tepui.master.core import MasterCore
from tepui.master.events import (
    AllocationTook,
    LinkOpened,
    LinkReceived,
    MirrorSubscribe,
    SchedulerCall,
    SchedulerSubscribe,
)
from tepui.model import link
from tepui.model.mirror import MirrorPart
from tepui.model.shell import Effect, Send, SendLink, Store, Stored, Tick
from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import MasterInfo, TaskState
from tepui.wire.frames import encode_part

TASKS_PER_ACCEPT = 20
CALL = scheduler.Call
SESSION = "11111111-1111-4111-8111-111111111111"


def scalar(name: str, value: float) -> mesos.Resource:
    return mesos.Resource(name=name, type=mesos.Value.Type.SCALAR, scalar=mesos.Value.Scalar(value=value))


class Load:
    """A scheduler and its agents, played against the core."""

    def __init__(self, agents: int, mirrors: int = 0) -> None:
        info = MasterInfo(id="a-master-id-of-usual-length-0123456789", ip=16777343, port=5050)
        self.core = MasterCore(MasterConfig(info=info, version="1.0.0"), DrfAllocator(), Random(1))
        self.now = 1e9
        self.offers: list[mesos.Offer] = []
        self.seconds = 0.0
        self.decode = msgspec.msgpack.Decoder(CALL).decode
        self.encode = msgspec.msgpack.Encoder().encode
        for number in range(agents):
            self.join(number)
        framework = mesos.FrameworkInfo(user="root", name="bench", checkpoint=True, failover_timeout=60.0)
        call = CALL(type=CALL.Type.SUBSCRIBE, subscribe=CALL.Subscribe(framework_info=framework))
        for effect in self.do(SchedulerSubscribe(1, SESSION, None, call)):
            if isinstance(effect, Send) and effect.event.subscribed is not None:  # type: ignore[attr-defined]
                self.framework_id = effect.event.subscribed.framework_id  # type: ignore[attr-defined]
        for number in range(mirrors):
            self.do(MirrorSubscribe(3, f"mirror-{number}", None))
        self.tick()

    def do(self, event: object) -> list[Effect]:
        self.now += 1e-5
        start = time.perf_counter()
        effects = self.core.handle(event, self.now)  # type: ignore[arg-type]
        self.seconds += time.perf_counter() - start
        return effects

    def join(self, number: int) -> None:
        info = mesos.AgentInfo(
            hostname=f"agent-{number}",
            resources=[
                scalar("cpus", 100),
                scalar("mem", 1_000_000),
                scalar("disk", 1_000_000),
                mesos.Resource(
                    name="ports",
                    type=mesos.Value.Type.RANGES,
                    ranges=mesos.Value.Ranges(range=[mesos.Value.Range(begin=31000, end=32000)]),
                ),
            ],
        )
        name = f"link-{number}"
        self.do(LinkOpened(name, f"10.0.0.{number}"))
        hello = link.Hello(
            protocol_oldest=1,
            protocol_newest=1,
            software="1.0.0",
            agent_id="",
            incarnation=f"run-{number}",
            link_id=name,
            epoch=0,
            info=info,
        )
        self.do(LinkReceived(name, hello))
        for effect in self.do(LinkReceived(name, link.Snapshot())):
            if isinstance(effect, Store):
                self.do(Stored(effect.token))

    def tick(self) -> None:
        part: MirrorPart | None = None
        for effect in self.do(Tick()):
            if isinstance(effect, Send) and isinstance(effect.event, MirrorPart):
                if effect.event is not part:  # as `tepui.server.exchange` does
                    part = effect.event
                    start = time.perf_counter()
                    encode_part(part)
                    self.seconds += time.perf_counter() - start
            elif isinstance(effect, Send) and effect.event.offers is not None:  # type: ignore[attr-defined]
                self.offers += effect.event.offers.offers  # type: ignore[attr-defined]
        self.do(AllocationTook(0.0))

    def call(self, call: scheduler.Call) -> list[Effect]:
        call.framework_id = self.framework_id
        call = self.decode(self.encode(call))  # a fresh object, as from the wire; not timed
        return self.do(SchedulerCall(2, SESSION, None, call))

    def round(self, first: int) -> int:
        """Launch on every offer, let the tasks run and end. Returns how many tasks there were."""
        launched: list[tuple[str, mesos.TaskInfo]] = []
        offers, self.offers = self.offers, []
        for offer in offers:
            tasks = [self.task(first + len(launched) + n, offer) for n in range(TASKS_PER_ACCEPT)]
            operation = mesos.Offer.Operation(
                type=mesos.Offer.Operation.Type.LAUNCH, launch=mesos.Offer.Operation.Launch(task_infos=tasks)
            )
            accept = CALL.Accept(
                offer_ids=[offer.id], operations=[operation], filters=mesos.Filters(refuse_seconds=0.0)
            )
            for effect in self.call(CALL(type=CALL.Type.ACCEPT, accept=accept)):
                if isinstance(effect, SendLink) and isinstance(effect.message, link.Launch):
                    launched += [(effect.link, info) for info in effect.message.tasks]
        for state in (TaskState.TASK_RUNNING, TaskState.TASK_FINISHED):
            for name, info in launched:
                self.update(name, info, state)
        self.tick()
        return len(launched)

    def task(self, number: int, offer: mesos.Offer) -> mesos.TaskInfo:
        executor = mesos.ExecutorInfo(
            type=mesos.ExecutorInfo.Type.CUSTOM,
            executor_id=mesos.ExecutorID(value="e"),
            command=mesos.CommandInfo(value="exec ./executor"),
            resources=[scalar("cpus", 0.1), scalar("mem", 32)],
        )
        return mesos.TaskInfo(
            name=f"task-{number}",
            task_id=mesos.TaskID(value=f"task-{number}"),
            agent_id=offer.agent_id,
            resources=[scalar("cpus", 0.5), scalar("mem", 64)],
            executor=executor,
            data=b"x" * 32,
        )

    def update(self, name: str, info: mesos.TaskInfo, state: TaskState) -> None:
        uuid = self.core.context.ids.bytes()
        status = mesos.TaskStatus(
            task_id=mesos.TaskID(value=info.task_id.value),
            state=state,
            source=mesos.TaskStatus.Source.SOURCE_EXECUTOR,
            agent_id=mesos.AgentID(value=info.agent_id.value),
            executor_id=mesos.ExecutorID(value="e"),
            timestamp=self.now,
            uuid=uuid,
            container_status=mesos.ContainerStatus(
                container_id=mesos.ContainerID(value="1595e871-42f9-4800-b114-ed403b407e74" + name),
                network_infos=[mesos.NetworkInfo(ip_addresses=[mesos.NetworkInfo.IPAddress(ip_address="127.0.0.1")])],
                executor_pid=31726,
            ),
        )
        self.do(
            LinkReceived(name, link.StatusUpdate(framework_id=self.framework_id.value, status=status, latest=state))
        )
        acknowledge = CALL.Acknowledge(agent_id=info.agent_id, task_id=info.task_id, uuid=uuid)
        self.call(CALL(type=CALL.Type.ACKNOWLEDGE, acknowledge=acknowledge))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--mirrors", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--memory", action="store_true", help="trace memory (slow): bytes kept per completed task")
    options = parser.parse_args()
    load = Load(options.agents, options.mirrors)
    done = load.round(0)
    done += load.round(done)
    load.seconds, first = 0.0, done
    profile = cProfile.Profile() if options.profile else None
    if options.memory:
        tracemalloc.start()
    if profile is not None:
        profile.enable()
    while done - first < options.tasks:
        done += load.round(done)
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    if options.memory:
        kept = sum(len(framework.completed_tasks) for framework in load.core.state.frameworks.values())
        for line in tracemalloc.take_snapshot().statistics("lineno")[:25]:
            print(line)
        print(f"{tracemalloc.get_traced_memory()[0] / max(1, kept):.0f} bytes kept per completed task ({kept})")
    load.core.check()
    print(f"{load.seconds / (done - first) * 1e6:.1f} us per task life, {done - first} tasks, {options.agents} agents")


if __name__ == "__main__":
    main()
