"""CPU time per task life of the agent core alone: launch, two updates, what the executor and the master hear of them.

With `--profile` it prints where the time goes.
"""

from __future__ import annotations

import sys
import time
from random import Random

from tepui.agent.config import AgentConfig
from tepui.agent.core import AgentCore
from tepui.agent.events import ExecutorCall, ExecutorSubscribe, LinkReceived, LinkUp, RunStarted, StartRun
from tepui.model import link
from tepui.model.shell import Effect, Event, Store, Stored
from tepui.model.v1.executor import Call
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    MasterInfo,
    Resource,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    Value,
)

FRAMEWORK = FrameworkID(value="framework-0000")
EXECUTOR = ExecutorID(value="e1")
NOW = 1_795_223_677.0


def _resource(name: str, amount: float) -> Resource:
    allocation = Resource.AllocationInfo(role="test")
    return Resource(name=name, type=Value.Type.SCALAR, scalar=Value.Scalar(value=amount), allocation_info=allocation)


class Bench:
    """An agent with one subscribed executor."""

    def __init__(self, checkpoint: bool) -> None:
        info = AgentInfo(hostname="localhost", resources=[_resource("cpus", 4)])
        self.core = AgentCore(AgentConfig(info=info, version="0", ip="127.0.0.1", work_dir="/w"), Random(1))
        self.executor = ExecutorInfo(
            executor_id=EXECUTOR,
            framework_id=FRAMEWORK,
            command=CommandInfo(value="exec true"),
            resources=[_resource("cpus", 0.1)],
        )
        master = MasterInfo(id="m", ip=1, port=5050)
        framework = FrameworkInfo(user="root", name="bench", id=FRAMEWORK, checkpoint=checkpoint)
        self.say(LinkUp("l"))
        welcome = link.Welcome(protocol=1, agent_id="S0", epoch=1, master=master, ping_timeout_seconds=75.0)
        self.receive(welcome)
        self.receive(link.FrameworkUpdate(framework=framework))
        (run,) = (one.run for one in self.receive(self.launch("warm")) if isinstance(one, StartRun))
        self.say(RunStarted(run, 77))
        subscribe = Call(
            executor_id=EXECUTOR, framework_id=FRAMEWORK, type=Call.Type.SUBSCRIBE, subscribe=Call.Subscribe()
        )
        self.say(ExecutorSubscribe(1, "session", None, subscribe))

    def launch(self, task_id: str) -> link.Launch:
        task = TaskInfo(
            name=task_id,
            task_id=TaskID(value=task_id),
            agent_id=AgentID(value="S0"),
            resources=[_resource("cpus", 0.5), _resource("mem", 64)],
        )
        return link.Launch(framework_id=FRAMEWORK.value, tasks=[task], executor=self.executor)

    def say(self, event: Event) -> list[Effect]:
        effects = self.core.handle(event, NOW)
        result = list(effects)
        for effect in effects:
            if isinstance(effect, Store):
                result += self.core.handle(Stored(effect.token), NOW)
        return result

    def receive(self, message: link.LinkMessage) -> list[Effect]:
        return self.say(LinkReceived("l", message))


def update(task_id: str, state: TaskState, uuid: bytes) -> ExecutorCall:
    status = TaskStatus(
        task_id=TaskID(value=task_id),
        state=state,
        source=TaskStatus.Source.SOURCE_EXECUTOR,
        timestamp=NOW,
        uuid=uuid,
    )
    call = Call(executor_id=EXECUTOR, framework_id=FRAMEWORK, type=Call.Type.UPDATE, update=Call.Update(status=status))
    return ExecutorCall(1, None, call)


def events(bench: Bench, first: int, count: int) -> list[list[Event]]:
    """What happens to `count` tasks at once, step by step."""
    steps: list[list[Event]] = [[], [], [], [], []]
    for number in range(first, first + count):
        task_id = f"task-{number}"
        running, finished = number.to_bytes(16, "big"), (number + (1 << 64)).to_bytes(16, "big")
        steps[0].append(LinkReceived("l", bench.launch(task_id)))
        steps[1].append(update(task_id, TaskState.TASK_RUNNING, running))
        steps[2].append(update(task_id, TaskState.TASK_FINISHED, finished))
        for step, uuid in ((3, running), (4, finished)):
            acknowledge = link.Acknowledge(framework_id=FRAMEWORK.value, task_id=task_id, uuid=uuid)
            steps[step].append(LinkReceived("l", acknowledge))
    return steps


def measure(checkpoint: bool, at_once: int, lives: int = 20_000) -> float:
    """Microseconds per life."""
    bench = Bench(checkpoint)
    handle = bench.core.handle
    spent = 0.0
    for first in range(0, lives, at_once):
        steps = events(bench, first, at_once)
        began = time.process_time()
        for step in steps:
            token = 0
            for event in step:
                for effect in handle(event, NOW):
                    if type(effect) is Store:
                        token = effect.token
            bench.core.next_deadline()
            if token:
                handle(Stored(token), NOW)
        spent += time.process_time() - began
    assert len(bench.core.records.frameworks[FRAMEWORK.value].tasks) == 1
    return spent / lives * 1e6


if __name__ == "__main__":
    if "--profile" in sys.argv:
        import cProfile
        import pstats

        profile = cProfile.Profile()
        profile.runcall(measure, True, 50)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    for checkpoint in (False, True):
        for at_once in (1, 50, 2000):
            spent = measure(checkpoint, at_once)
            print(f"agent core, checkpoint {checkpoint!s:5}, {at_once:4} at once: {spent:6.1f} us per task life")
