"""The scheduler: events to iterate over, calls to make."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import (
    AgentID,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    OfferID,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
)
from tepui.model.v1.scheduler import Call
from tepui.scheduler.events import (
    Event,
    Failure,
    InverseOffers,
    InverseRescinded,
    Message,
    Offers,
    OperationUpdate,
    Rescinded,
    Subscribed,
    Update,
)
from tepui.scheduler.filters import UNWANTED_REFUSE_SECONDS, make_filters
from tepui.scheduler.identity import forget_identity, read_identity, write_identity
from tepui.scheduler.offers import Offer
from tepui.scheduler.tasks import framework_info, kill_policy
from tepui.session.errors import CallRefusedError, RemovedError, SessionError
from tepui.session.scheduler import CallLost, Connected, Disconnected, SchedulerSession, Settings
from tepui.session.steps import Ask, CallRefused, LeaderKnown, Stop
from tepui.transport.client import HttpTransport, Transport
from tepui.transport.conversation import Conversation
from tepui.transport.zookeeper_url import ZooKeeperUrl, parse_zookeeper_url

if TYPE_CHECKING:
    from tepui.transport.leader import Leader, LeaderFinder

KEPT_FAILOVER_SECONDS = 7 * 86400.0
"""The failover timeout of a framework that is given by its name and keeps its identity in a file."""

_Type = Call.Type
_Operation = mesos.Offer.Operation


class Scheduler:
    """One framework's end of the conversation with the master. Use it within one event loop:

        async with Scheduler("127.0.0.1:5050", "my framework") as scheduler:
            async for event in scheduler:
                match event: ...

    `masters` is `host:port`, several divided by commas or as a list, and the leader is found by asking; or
    `zk://[user:password@]host:port,.../path`, and ZooKeeper tells who leads. `framework` is a name, or
    `framework_info(...)`. With `identity`, the framework's id is kept in that file and taken up again. `only_agents`,
    `never_agents` (host names) and `minimum` (`{"cpus": 1, "mem": 128}`) say which offers to see.

    Calls are sent in the order in which they are made and return at once; whatever comes of them is an event. The
    library subscribes again when the master is lost, acknowledges updates once they are handled, reconciles, restores
    suppression, and sends again what may be sent twice; an ACCEPT that got lost is an event, `CallLost`.

    The iteration ends after `stop()`. It raises SubscriptionError (and FailedOverError, RemovedError) when the master
    does not want the framework, CallRefusedError when a call was invalid. Leaving the `async with` block tears the
    framework down, unless it is left by an exception or `stop(failover=True)` was called.
    """

    def __init__(
        self,
        masters: str | Sequence[str],
        framework: FrameworkInfo | str,
        *,
        identity: Path | str | None = None,
        only_agents: Collection[str] | None = None,
        never_agents: Collection[str] = (),
        minimum: Mapping[str, float] | None = None,
        settings: Settings | None = None,
        transport: Transport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        random: Random | None = None,
    ) -> None:
        self.on_refusal: Callable[[CallRefusedError], Awaitable[None]] | None = None
        """Called with a refused call's error, which is raised otherwise."""
        self._identity = None if identity is None else Path(identity)
        if isinstance(framework, str):
            timeout = 0.0 if identity is None else KEPT_FAILOVER_SECONDS
            framework = framework_info(framework, failover_timeout_seconds=timeout)
        kept = None if self._identity is None else read_identity(self._identity)
        if kept is not None:
            framework = msgspec.structs.replace(framework, id=FrameworkID(value=kept))
        self._filters = make_filters(only_agents, never_agents, minimum)
        self._framework = framework
        self._zookeeper: ZooKeeperUrl | None = None
        addresses: Sequence[str] | None = masters.split(",") if isinstance(masters, str) else masters
        if isinstance(masters, str) and masters.startswith(("zk://", "file://")):
            self._zookeeper, addresses = parse_zookeeper_url(masters), None
        self._leader_finder: LeaderFinder | None = None
        self._session = SchedulerSession(
            self._filtered_info(),
            addresses,
            random or Random(),
            settings,
            scheme="http" if ssl_context is None else "https",
            offer_constraints=self._filters.offer_constraints(self._roles()),
        )
        self._transport = transport or HttpTransport(ssl_context)
        self._conversation: Conversation | None = None
        self._is_stopping = False
        self._teardown = True

    @property
    def framework_id(self) -> str | None:
        """The framework's id; None before the first `Subscribed`."""
        return self._session.framework_id

    @property
    def is_subscribed(self) -> bool:
        return self._session.is_subscribed

    @property
    def is_torn_down(self) -> bool:
        """Whether the master was told to forget the framework; for good only after the `async with` block."""
        return self._session.is_torn_down

    # The conversation.

    async def __aenter__(self) -> Scheduler:
        if self._conversation is not None:
            raise RuntimeError("A Scheduler is used once; make another")
        self._conversation = Conversation(self._session, scheduler.Event, self._transport)
        self._conversation.start()
        if self._zookeeper is not None:
            from tepui.transport.leader import LeaderFinder  # kazoo is imported where ZooKeeper is used

            self._leader_finder = LeaderFinder(self._zookeeper, self._leader_is)
            self._leader_finder.start()
        return self

    def _leader_is(self, leader: Leader) -> None:
        if self._conversation is not None and not self._conversation.is_finished:
            self._conversation.tell(LeaderKnown(leader.host_and_port))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        conversation = self._active()
        try:
            if error is None:
                conversation.handled()
            if not conversation.is_finished and (error is None or isinstance(error, Exception)):
                teardown = error is None and self._teardown
                conversation.tell(Stop(teardown))
                await conversation.finished()
                if self._session.is_torn_down and self._identity is not None:
                    forget_identity(self._identity)
        finally:
            if self._leader_finder is not None:
                await self._leader_finder.stop()
            await conversation.close()

    def __aiter__(self) -> Scheduler:
        return self

    async def __anext__(self) -> Event:
        conversation = self._active()
        while not self._is_stopping:
            try:
                item = await conversation.take()
            except RemovedError as error:
                raise self._explained(error) from None
            if item is None:
                break
            event = await self._event_of(item)
            if event is not None:
                return event
        conversation.handled()
        raise StopAsyncIteration

    def stop(self, *, failover: bool = False) -> None:
        """End the iteration after the event that is being handled. With `failover` the framework stays for its failover
        timeout, its tasks run on, and a scheduler with its id can take over; else it is torn down."""
        self._is_stopping = True
        self._teardown = not failover
        if self._conversation is not None:
            self._conversation.wake()

    def _active(self) -> Conversation:
        if self._conversation is None:
            raise SessionError("Enter the scheduler first: async with Scheduler(...) as scheduler")
        return self._conversation

    def _explained(self, error: RemovedError) -> RemovedError:
        if self._identity is None:
            return error
        return RemovedError(f"{error}; remove the file {self._identity} to start as a new framework")

    async def _event_of(self, item: object) -> Event | None:
        match item:
            case scheduler.Event():
                return self._protocol_event(item)
            case Connected(event, again):
                if self._identity is not None:
                    write_identity(self._identity, event.framework_id.value)
                return Subscribed(event.framework_id.value, again, event.master_info)
            case CallRefused(error):
                if self.on_refusal is None:
                    raise error
                await self.on_refusal(error)
                return None
            case Disconnected() | CallLost():
                return item
        return None

    def _protocol_event(self, event: scheduler.Event) -> Event | None:
        if event.offers is not None:
            return self._wanted_offers(event.offers.offers)
        if event.update is not None:
            return Update(event.update.status)
        if event.rescind is not None:
            return Rescinded(event.rescind.offer_id.value)
        if event.message is not None:
            message = event.message
            return Message(message.agent_id.value, message.executor_id.value, message.data)
        if event.failure is not None:
            failure = event.failure
            agent_id = None if failure.agent_id is None else failure.agent_id.value
            executor_id = None if failure.executor_id is None else failure.executor_id.value
            return Failure(agent_id, executor_id, failure.status)
        if event.update_operation_status is not None:
            return OperationUpdate(event.update_operation_status.status)
        if event.inverse_offers is not None:
            return InverseOffers(event.inverse_offers.inverse_offers)
        if event.rescind_inverse_offer is not None:
            return InverseRescinded(event.rescind_inverse_offer.inverse_offer_id.value)
        return None

    def _wanted_offers(self, messages: list[mesos.Offer]) -> Offers | None:
        """Those that are still good and pass the filters; the others are declined here."""
        offers = [Offer(message) for message in messages if message.id.value in self._session.offers]
        wanted = [offer for offer in offers if self._filters.wants(offer)]
        if len(wanted) < len(offers):
            self.decline([offer for offer in offers if not self._filters.wants(offer)], UNWANTED_REFUSE_SECONDS)
        return Offers(wanted) if wanted else None

    def _roles(self) -> list[str]:
        return self._framework.roles or [self._framework.role or "*"]

    def _filtered_info(self) -> FrameworkInfo:
        filters = {**self._framework.offer_filters, **self._filters.offer_filters(self._roles())}
        return msgspec.structs.replace(self._framework, offer_filters=filters)

    # Calls.

    def call(self, call: Call) -> None:
        """Make any call of the v1 scheduler API but SUBSCRIBE; ids are filled in. Raises QueueFullError when 100,000
        calls wait."""
        self._active().tell(Ask(call))

    def launch(
        self, offers: Offer | Sequence[Offer], tasks: Iterable[TaskInfo], refuse_seconds: float | None = None
    ) -> None:
        """Run `tasks` on the agent of `offers`; what is left over is declined for `refuse_seconds` (5 s when None).
        Without tasks that declines the offers."""
        infos = list(tasks)
        if not infos:
            self.decline(offers, refuse_seconds)
            return
        launch = _Operation.Launch(task_infos=infos)
        self.accept(offers, [_Operation(type=_Operation.Type.LAUNCH, launch=launch)], refuse_seconds)

    def launch_group(
        self,
        offers: Offer | Sequence[Offer],
        executor: ExecutorInfo,
        tasks: Iterable[TaskInfo],
        refuse_seconds: float | None = None,
    ) -> None:
        """Run `tasks` together in one executor: all of them or none."""
        group = _Operation.LaunchGroup(executor=executor, task_group=TaskGroupInfo(tasks=list(tasks)))
        self.accept(offers, [_Operation(type=_Operation.Type.LAUNCH_GROUP, launch_group=group)], refuse_seconds)

    def accept(
        self,
        offers: Offer | Sequence[Offer],
        operations: Sequence[mesos.Offer.Operation],
        refuse_seconds: float | None = None,
    ) -> None:
        """Apply any operations to offers of one agent."""
        accept = Call.Accept(
            offer_ids=_offer_ids(offers), operations=list(operations), filters=_refusal(refuse_seconds)
        )
        self.call(Call(type=_Type.ACCEPT, accept=accept))

    def decline(self, offers: Offer | Sequence[Offer], refuse_seconds: float | None = None) -> None:
        """Give offers back; the same is not offered again for `refuse_seconds` (5 s when None)."""
        offer_ids = _offer_ids(offers)
        if offer_ids:
            decline = Call.Decline(offer_ids=offer_ids, filters=_refusal(refuse_seconds))
            self.call(Call(type=_Type.DECLINE, decline=decline))

    def kill(self, task_id: str, agent_id: str | None = None, grace_seconds: float | None = None) -> None:
        """End a task. An update follows, also when nobody knows the task."""
        kill = Call.Kill(
            task_id=TaskID(value=task_id), agent_id=_agent(agent_id), kill_policy=kill_policy(grace_seconds)
        )
        self.call(Call(type=_Type.KILL, kill=kill))

    def shutdown(self, executor_id: str, agent_id: str) -> None:
        """End an executor and its tasks."""
        shutdown = Call.Shutdown(executor_id=ExecutorID(value=executor_id), agent_id=AgentID(value=agent_id))
        self.call(Call(type=_Type.SHUTDOWN, shutdown=shutdown))

    def suppress(self, *roles: str) -> None:
        """No more offers for these roles, or for all, until `revive`. Tell it when there is nothing to run: others get
        the resources sooner."""
        self.call(Call(type=_Type.SUPPRESS, suppress=Call.Suppress(roles=list(roles))))

    def revive(self, *roles: str) -> None:
        """Offers again for these roles, or for all, also of what was declined."""
        self.call(Call(type=_Type.REVIVE, revive=Call.Revive(roles=list(roles))))

    def reconcile(self, tasks: Mapping[str, str | None] | Iterable[str] = ()) -> None:
        """Have the states of these tasks told, or of all that the master knows; a mapping names their agents. The
        library does this by itself after each subscription and from time to time."""
        pairs = tasks.items() if isinstance(tasks, Mapping) else ((task_id, None) for task_id in tasks)
        asked = [Call.Reconcile.Task(task_id=TaskID(value=name), agent_id=_agent(agent)) for name, agent in pairs]
        self.call(Call(type=_Type.RECONCILE, reconcile=Call.Reconcile(tasks=asked)))

    def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        """Send bytes to an executor. Messages may be lost."""
        message = Call.Message(agent_id=AgentID(value=agent_id), executor_id=ExecutorID(value=executor_id), data=data)
        self.call(Call(type=_Type.MESSAGE, message=message))

    def set_filters(
        self,
        *,
        only_agents: Collection[str] | None = None,
        never_agents: Collection[str] = (),
        minimum: Mapping[str, float] | None = None,
    ) -> None:
        """Replace the filters; what was declined because of the old ones is offered again."""
        self._filters = make_filters(only_agents, never_agents, minimum)
        update = Call.UpdateFramework(
            framework_info=self._filtered_info(),
            suppressed_roles=sorted(self._session.suppressed),
            offer_constraints=self._filters.offer_constraints(self._roles()),
        )
        self.call(Call(type=_Type.UPDATE_FRAMEWORK, update_framework=update))
        awake = [role for role in self._roles() if role not in self._session.suppressed]
        if awake:
            self.revive(*awake)


def _offer_ids(offers: Offer | Sequence[Offer]) -> list[OfferID]:
    return [offer.message.id for offer in ([offers] if isinstance(offers, Offer) else offers)]


def _refusal(seconds: float | None) -> mesos.Filters | None:
    return None if seconds is None else mesos.Filters(refuse_seconds=seconds)


def _agent(agent_id: str | None) -> AgentID | None:
    return None if agent_id is None else AgentID(value=agent_id)
