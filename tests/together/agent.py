"""The shell of one agent of the world in memory."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tepui.agent import invariants, recovery
from tepui.agent.config import AgentConfig
from tepui.agent.core import AgentCore
from tepui.agent.events import (
    KillRun,
    LinkDown,
    LinkReceived,
    Reconnect,
    RunExited,
    RunStarted,
    StartRun,
    Stop,
)
from tepui.agent.journal import AgentAdmitted, Record, UpdateReceived
from tepui.model.link import Welcome
from tepui.model.shell import CloseLink, Event, SendLink, Store, Stored
from tepui.model.task_states import TERMINAL_STATES
from tepui.model.v1.mesos import AgentInfo, TaskState
from tests.together.amounts import scalar
from tests.together.moments import Moment

if TYPE_CHECKING:
    from tests.together.master import Master
    from tests.together.world import World

CPUS_OF_AGENT = 4


class Agent:
    """The shell of one agent, with its supervisor and its journal."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.journal: list[Record] = []
        self.owed: dict[str, TaskState] = {}
        """How tasks had ended that an agent process took over from the one before it: their schedulers are to hear."""
        self.stopped = False
        self._boot()

    def _boot(self) -> None:
        info = AgentInfo(hostname=self.name, port=5051, resources=[scalar("cpus", CPUS_OF_AGENT), scalar("mem", 4096)])
        config = AgentConfig(info=info, version="0.1.0", ip="127.0.0.1", work_dir="/work")
        admitted = [record for record in self.journal if isinstance(record, AgentAdmitted)]
        known = {"agent_id": admitted[-1].agent_id, "epoch": admitted[-1].epoch} if admitted else {}
        kept = recovery.kept(self.journal)
        durable = [record for record in self.journal if record.durable]
        self.journal = [*admitted[-1:], *kept, *durable]
        for one in kept:
            if isinstance(one, UpdateReceived) and one.status.state in TERMINAL_STATES:
                self.owed[one.task_id] = one.status.state
        random = Random(self.world.random.random())
        self.core = AgentCore(config, random, kept=kept, durable=durable, **known)  # type: ignore[arg-type]
        self.seen = admitted[-1].epoch if admitted else 0
        """The newest election epoch that it was told and did not lose in a crash."""
        self.link: str | None = None
        self.master: Master | None = None
        self.runs: dict[str, tuple[str, str]] = {}
        """Runs that the supervisor holds: framework and task."""

    @property
    def lives(self) -> bool:
        return not self.stopped

    def tell(self, event: Event) -> None:
        effects = self.core.handle(event, self.world.now)
        invariants.check(self.core.records)
        for effect in effects:
            self._apply(effect)

    def receive(self, link: str, message: Any, epoch: int) -> None:
        if self.link == link and self.lives and not self.world.strikes(Moment.TO_AGENT, self, message):
            if isinstance(message, Welcome):
                self.seen = max(self.seen, message.epoch)
            self.tell(LinkReceived(link, message))
            records = self.core.records
            obeyed = records.welcomed and records.link == link
            assert epoch >= self.seen or not obeyed, "no agent obeys an older epoch than it has seen"
            self.world.strikes(Moment.RECEIVED, self, message)

    def loses(self, link: str) -> None:
        if self.link == link and self.lives:
            self.link = self.master = None
            self.tell(LinkDown(link, "closed"))

    def _apply(self, effect: object) -> None:
        world = self.world
        match effect:
            case SendLink(link=link, message=message):
                master = self.master
                if link == self.link and master is not None:
                    world.post(("up", link), lambda: world.reaches(master, link, message))
            case CloseLink(link=link):
                if link == self.link:
                    world.cut_link(self)
            case Reconnect():
                world.cut_link(self)
            case Store(token=token, records=records):
                core = self.core
                world.post(("disk", self), lambda: self._store(core, token, records))  # type: ignore[arg-type]
            case StartRun(run=run, framework_id=framework_id):
                task = (framework_id, effect.task_id or effect.executor_id)
                core = self.core
                world.post(("start", self, run), lambda: self._started(core, run, task))
            case KillRun(run=run):
                core = self.core
                world.post(("start", self, run), lambda: self._exited(core, run, 15))
            case Stop():
                self.stopped = True
                world.cut_link(self)
            case _:
                pass  # ForgetRun, records of files: nothing follows here

    def _store(self, core: AgentCore, token: int, records: list[Record]) -> None:
        world = self.world
        if core is not self.core or world.strikes(Moment.WRITE, self):
            return  # whoever was killed before it wrote has not written
        self.journal += records
        if self.lives and not world.strikes(Moment.WRITTEN, self):
            world.post(("disk done", self), lambda: self.tell(Stored(token)) if core is self.core else None)

    def _started(self, core: AgentCore, run: str, task: tuple[str, str]) -> None:
        self.world.ran[task] = self.world.ran.get(task, 0) + 1
        if core is not self.core or not self.lives:
            return  # the supervisor has started it, and ends it for want of somebody who knows it
        self.runs[run] = task
        self.tell(RunStarted(run, 4711))

    def _exited(self, core: AgentCore, run: str, status: int) -> None:
        if core is self.core and self.lives and self.runs.pop(run, None) is not None:
            self.tell(RunExited(run, status))

    def end_a_task(self) -> None:
        if self.runs and self.lives:
            run = self.world.random.choice(sorted(self.runs))
            status = self.world.random.choice((0, 0, 0, 256, 9))
            self._exited(self.core, run, status)

    def crash(self) -> None:
        """kill -9, and start again: what ran is ended, the id and what else the journal holds is there."""
        self.world.cut_link(self)
        self._boot()
        self.stopped = False
