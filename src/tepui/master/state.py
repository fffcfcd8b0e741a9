"""What the master knows: plain records that the subject modules change and the views read.

Nothing here decides anything. Ids are plain text; `info` members are v1 messages as they came in (with ids filled in),
never changed in place.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from tepui.master.metrics import FrameworkMetrics
from tepui.master.registry import AgentService, MachineName
from tepui.model.link import Kill
from tepui.model.quantities import Quantities
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1.allocator import InverseOfferStatus
from tepui.model.v1.maintenance import Schedule
from tepui.model.v1.mesos import (
    URL,
    AgentInfo,
    ContainerStatus,
    ExecutorInfo,
    FrameworkInfo,
    MachineInfo,
    OperationStatus,
    Resource,
    TaskInfo,
    TaskState,
    TaskStatus,
    Unavailability,
)
from tepui.model.v1.mesos import Offer as OfferMessage
from tepui.model.v1.quota import QuotaConfig
from tepui.model.v1.scheduler import OfferConstraints


@dataclass(slots=True, eq=False)
class Task:
    """One task that the master knows, from its launch until its terminal update is acknowledged, then as history."""

    framework_id: str
    task_id: str
    agent_id: str
    executor_id: str
    """Empty for a task that runs by its command."""
    info: TaskInfo
    """As launched, with allocation_info in its resources; its `executor` is the shared ExecutorInfo."""
    resources: Resources
    role: str
    state: TaskState
    """The latest state that the agent told, which decides what resources are free."""
    statuses: list[TaskStatus] = field(default_factory=list)
    """The last forwarded update of each state, `data` stripped."""
    status_update_state: TaskState | None = None
    """The state of the update last forwarded to the scheduler."""
    status_update_uuid: bytes | None = None
    released: bool = False
    """Its resources went back to the allocator: terminal or unreachable."""
    launched_at: float = 0.0
    user: str | None = None
    """Whom it runs as, when its command or its executor's says so; `info` loses its command when the task completes."""


@dataclass(slots=True, eq=False)
class Executor:
    """One executor on one agent, from the first task that names it until its end."""

    framework_id: str
    executor_id: str
    agent_id: str
    info: ExecutorInfo
    """With framework_id and allocation_info filled in; shared by all of its tasks."""
    resources: Resources
    as_given: ExecutorInfo | None = None
    """The description before anything was filled in: what the next task repeats, so that comparing it is enough."""


@dataclass(slots=True, eq=False)
class Offer:
    """What one framework may use of one agent until it answers or the offer is withdrawn."""

    offer_id: str
    framework_id: str
    agent_id: str
    role: str
    resources: Resources
    made_at: float


@dataclass(slots=True, eq=False)
class Operation:
    """One operation on an agent's resources, from its application here until nobody waits for its outcome."""

    uuid: bytes
    """What it is known by on the link."""
    framework_id: str
    """Empty for an operator's."""
    agent_id: str
    info: OfferMessage.Operation
    """Its resources carry the role they were offered to."""
    latest: OperationStatus
    statuses: list[OperationStatus] = field(default_factory=list)
    """The status of each state that the agent has told."""


@dataclass(slots=True, eq=False)
class InverseOffer:
    """A request to a framework to leave an agent, until it answers or the request is withdrawn."""

    offer_id: str
    framework_id: str
    agent_id: str
    unavailability: Unavailability
    made_at: float


@dataclass(slots=True, eq=False)
class Framework:
    """One framework, from its first SUBSCRIBE, or from an agent that tells of it, to its removal, then as history."""

    framework_id: str
    info: FrameworkInfo
    roles: tuple[str, ...]
    capabilities: frozenset[str]
    session: str | None = None
    """The open stream; None while disconnected or recovered."""
    recovered: bool = False
    """Known only from agents; no scheduler has subscribed to this master yet."""
    suppressed_roles: set[str] = field(default_factory=set)
    registered_at: float = 0.0
    reregistered_at: float | None = None
    unregistered_at: float | None = None
    offer_constraints: OfferConstraints | None = None
    backlogged: bool = False
    """Reads its stream too slowly: no new offers, and its updates stay at the agents."""
    tasks: dict[str, Task] = field(default_factory=dict)
    unreachable_tasks: OrderedDict[str, Task] = field(default_factory=OrderedDict)
    completed_tasks: deque[Task] = field(default_factory=deque)
    offers: dict[str, Offer] = field(default_factory=dict)
    inverse_offers: dict[str, InverseOffer] = field(default_factory=dict)
    inverse_filters: set[str] = field(default_factory=set)
    """Agents about which it answered an inverse offer; the next one waits for a timer."""
    operations: dict[bytes, Operation] = field(default_factory=dict)
    """Those it may still hear of."""
    operation_uuids: dict[str, bytes] = field(default_factory=dict)
    """Of those with an id."""
    executors: dict[str, dict[str, Executor]] = field(default_factory=dict)
    """By agent id, then executor id."""
    metrics: FrameworkMetrics = field(default_factory=FrameworkMetrics)
    agents: set[str] = field(default_factory=set)
    """Agents that were told the framework's description, or told the master of it."""

    @property
    def first_role(self) -> str:
        """Whose its resources are that say no role."""
        return self.roles[0] if self.roles else "*"

    def has(self, capability: str) -> bool:
        """Whether it has a capability, by its protobuf name."""
        return capability in self.capabilities

    @property
    def connected(self) -> bool:
        """Whether its scheduler has a stream. It is active just as long."""
        return self.session is not None


@dataclass(slots=True, eq=False)
class Agent:
    """One admitted agent, connected or not."""

    agent_id: str
    info: AgentInfo
    address: str
    """The IP address its link comes from."""
    version: str
    capabilities: frozenset[str]
    total: Resources
    link: str | None = None
    """None while disconnected."""
    registered_at: float = 0.0
    reregistered_at: float | None = None
    pings_missed: int = 0
    incarnation: str = ""
    """Which process of the agent it is."""
    incarnation_before: str = ""
    tasks: dict[str, dict[str, Task]] = field(default_factory=dict)
    """Tasks that are not yet forgotten: by framework id, then task id."""
    executors: dict[str, dict[str, Executor]] = field(default_factory=dict)
    """By framework id, then executor id."""
    offers: dict[str, Offer] = field(default_factory=dict)
    operations: dict[bytes, Operation] = field(default_factory=dict)
    """Those that are under way, or whose outcome waits to be acknowledged; oldest first."""
    known_frameworks: set[str] = field(default_factory=set)
    """Frameworks whose description went over the current link."""
    pending_kills: dict[tuple[str, str], Kill] = field(default_factory=dict)
    """Kills asked for and not yet ended, by framework id and task id: repeated when the agent comes back."""
    url: URL | None = None
    """Where its own API is, as offers say it; made with the first one."""
    container_status: ContainerStatus | None = None
    """The last one seen in an update; equal ones of later updates share it."""
    leaving: bool = False
    """Its removal or its being unreachable is being stored; nothing changes it back."""
    service: AgentService | None = None
    """What `State.service` says of it."""
    unavailability: Unavailability | None = None
    """When its machine is planned to be away."""
    inverse_offers: dict[str, InverseOffer] = field(default_factory=dict)
    """Outstanding ones, by framework id."""
    inverse_statuses: dict[str, InverseOfferStatus] = field(default_factory=dict)
    """The last answers to inverse offers, by framework id."""

    @property
    def connected(self) -> bool:
        """Whether it has a link."""
        return self.link is not None

    @property
    def active(self) -> bool:
        """Whether it may be offered: connected, in service, and not on its way out."""
        return self.link is not None and self.service is None and not self.leaving

    @property
    def machine(self) -> MachineName:
        """The machine it runs on, as maintenance names machines."""
        return (self.info.hostname.lower(), self.address)


SHARE_SAMPLES_MAX = 360


class ShareSample(NamedTuple):
    """What roles held at one time (seconds since the epoch), and what they were due."""

    time: float
    roles: dict[str, tuple[float, float]]
    """By role: delivered and due, both as parts of the cluster."""


@dataclass(slots=True, eq=False)
class Revocation:
    """Room that is being made on one agent for a framework below its guarantee."""

    agent_id: str
    demand: Quantities
    until: float
    """When it counts as over, whatever came of it."""


@dataclass(slots=True)
class State:
    """The whole cluster as this master sees it."""

    frameworks: dict[str, Framework] = field(default_factory=dict)
    completed_frameworks: OrderedDict[str, Framework] = field(default_factory=OrderedDict)
    agents: dict[str, Agent] = field(default_factory=dict)
    """Admitted agents, connected or not."""
    recovered_agents: dict[str, AgentInfo] = field(default_factory=dict)
    """Known from the registry, not back since this master leads."""
    unreachable_agents: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When each became unreachable."""
    gone_agents: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When each was marked gone."""
    service: dict[str, AgentService] = field(default_factory=dict)
    """Agents out of service, deactivated or draining: admitted, recovered and unreachable ones."""
    schedule: Schedule | None = None
    """The schedule of maintenance, None when there never was one."""
    machines: dict[MachineName, MachineInfo] = field(default_factory=dict)
    """Machines in maintenance: DRAINING or DOWN."""
    unavailable: dict[str, None] = field(default_factory=dict)
    """Admitted agents on machines in maintenance."""
    inverse_offers: dict[str, InverseOffer] = field(default_factory=dict)
    """Outstanding ones, oldest first."""
    offers: dict[str, Offer] = field(default_factory=dict)
    """Outstanding offers, oldest first."""
    orphans: dict[str, dict[bytes, Operation]] = field(default_factory=dict)
    """Operations on agents whose framework is over, or not known yet: by its id."""
    settled_operations: OrderedDict[bytes, OperationStatus] = field(default_factory=OrderedDict)
    """What became of operators' operations that are over, oldest first."""
    stranded: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    """The frameworks' unreachable tasks by their agent: framework and task ids."""
    agents_by_address: dict[tuple[str, int], str] = field(default_factory=dict)
    """Ids of admitted agents, by the IP address and port that they listen on."""
    sessions: dict[str, str] = field(default_factory=dict)
    """Framework ids by their open stream."""
    operator_streams: OrderedDict[str, str | None] = field(default_factory=OrderedDict)
    """Open operator streams, oldest first, with their principal."""
    quota: dict[str, QuotaConfig] = field(default_factory=dict)
    """What holds, by role; roles without quota are not here."""
    wanted_quota: dict[str, QuotaConfig] = field(default_factory=dict)
    """What holds once everything that is being stored is stored."""
    weights: dict[str, float] = field(default_factory=dict)
    """By role; 1 for others."""
    unstored_weights: dict[str, float] = field(default_factory=dict)
    """Those of the flag while the registry has none."""
    revocations: dict[tuple[str, str], Revocation] = field(default_factory=dict)
    """What is under way, by the framework that it is for and its role."""
    shares: deque[ShareSample] = field(default_factory=lambda: deque(maxlen=SHARE_SAMPLES_MAX))
    """What each role was delivered and due, oldest first."""
    revocation_cursor: int = 0
    """Where among the agents the next search begins."""

    def is_known(self, agent_id: str) -> bool:
        """Whether the agent is a member, connected or not, is awaited after a failover, or cannot be reached."""
        return agent_id in self.agents or agent_id in self.recovered_agents or agent_id in self.unreachable_agents


def held_resources(messages: list[Resource], role: str | None = None) -> Resources:
    """What a task, an executor or an agent holds; `role` has what says none. An agent that breaks the rules of
    resources is believed to hold nothing."""
    try:
        return Resources.of(messages, role)
    except ResourceError:
        return Resources.NONE
