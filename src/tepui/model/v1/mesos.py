"""The vocabulary shared by all v1 APIs. Package mesos.v1."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from tepui.model.message import Proto, ProtoEnum, WireMessage, at_most_one, int32, int64, uint32, uint64


class FrameworkID(WireMessage, kw_only=True):
    """The name of a framework, given by the master: the master's id and a number."""

    value: Annotated[str, 1]


class OfferID(WireMessage, kw_only=True):
    """The name of one offer; it is never used again."""

    value: Annotated[str, 1]


class AgentID(WireMessage, kw_only=True):
    """The name of an agent, given by the master; the agent keeps it across restarts."""

    value: Annotated[str, 1]


class TaskID(WireMessage, kw_only=True):
    """The name of a task, chosen by its framework; unique among the framework's tasks on one agent."""

    value: Annotated[str, 1]


class ExecutorID(WireMessage, kw_only=True):
    """The name of an executor, chosen by its framework."""

    value: Annotated[str, 1]


class ContainerID(WireMessage, kw_only=True):
    """The name of a container. A nested container has the one it lies in as `parent`."""

    value: Annotated[str, 1]
    parent: Annotated[ContainerID | None, 2] = None


class ResourceProviderID(WireMessage, kw_only=True):
    """The name of a provider of resources on an agent, given by the master."""

    value: Annotated[str, 1]


class OperationID(WireMessage, kw_only=True):
    """The name of an operation on resources, chosen by its framework so that it hears what became of it."""

    value: Annotated[str, 1]


class TimeInfo(WireMessage, kw_only=True):
    """A point in time, in nanoseconds since the epoch."""

    nanoseconds: Annotated[int64, 1]


class DurationInfo(WireMessage, kw_only=True):
    """A span of time in nanoseconds."""

    nanoseconds: Annotated[int64, 1]


class Address(WireMessage, kw_only=True):
    """Where a process listens: a host by name or number, and a port."""

    hostname: Annotated[str | None, 1] = None
    ip: Annotated[str | None, 2] = None
    port: Annotated[int32, 3]


class URL(WireMessage, kw_only=True):
    """A web address in its parts."""

    scheme: Annotated[str, 1]
    address: Annotated[Address, 2]
    path: Annotated[str | None, 3] = None
    query: Annotated[list[Parameter], 4] = []
    fragment: Annotated[str | None, 5] = None


class Unavailability(WireMessage, kw_only=True):
    """When a machine is planned to be away; without `duration` for good."""

    start: Annotated[TimeInfo, 1]
    duration: Annotated[DurationInfo | None, 2] = None


class MachineID(WireMessage, kw_only=True):
    """A machine, by its hostname, its address, or both."""

    hostname: Annotated[str | None, 1] = None
    ip: Annotated[str | None, 2] = None


class MachineInfo(WireMessage, kw_only=True):
    """A machine and where it stands in its maintenance."""

    class Mode(ProtoEnum):
        UP = "UP", 1
        DRAINING = "DRAINING", 2
        DOWN = "DOWN", 3

    id: Annotated[MachineID, 1]
    mode: Annotated[MachineInfo.Mode | None, 2] = None
    unavailability: Annotated[Unavailability | None, 3] = None


class FrameworkInfo(WireMessage, kw_only=True):
    """How a framework describes itself when it subscribes.

    `user` is whom tasks run as when they do not say; `failover_timeout` is how many seconds the framework may be away
    before its tasks are killed; with `checkpoint` its executors survive a restart of their agent. Roles stand in
    `roles` (with the capability MULTI_ROLE) or in `role`. `id` is empty at the first subscription. `offer_filters`
    says by role how small an offer may be.
    """

    class Capability(WireMessage, kw_only=True):
        """Something that a framework understands, and so may be sent."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            REVOCABLE_RESOURCES = "REVOCABLE_RESOURCES", 1
            TASK_KILLING_STATE = "TASK_KILLING_STATE", 2
            GPU_RESOURCES = "GPU_RESOURCES", 3
            SHARED_RESOURCES = "SHARED_RESOURCES", 4
            PARTITION_AWARE = "PARTITION_AWARE", 5
            MULTI_ROLE = "MULTI_ROLE", 6
            RESERVATION_REFINEMENT = "RESERVATION_REFINEMENT", 7
            REGION_AWARE = "REGION_AWARE", 8

        type: Annotated[FrameworkInfo.Capability.Type | None, 1] = None

    user: Annotated[str, 1]
    name: Annotated[str, 2]
    id: Annotated[FrameworkID | None, 3] = None
    failover_timeout: Annotated[float, 4] = field(default_factory=float)
    checkpoint: Annotated[bool, 5] = field(default_factory=bool)
    role: Annotated[str | None, Proto(6, deprecated=True, default="*")] = None
    roles: Annotated[list[str], 12] = []
    hostname: Annotated[str | None, 7] = None
    principal: Annotated[str | None, 8] = None
    webui_url: Annotated[str | None, 9] = None
    capabilities: Annotated[list[FrameworkInfo.Capability], 10] = []
    labels: Annotated[Labels | None, 11] = None
    offer_filters: Annotated[dict[str, OfferFilters], 13] = {}


class CheckInfo(WireMessage, kw_only=True):
    """A command or a connection that is tried again and again; its result is reported and has no consequence."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        COMMAND = "COMMAND", 1
        HTTP = "HTTP", 2
        TCP = "TCP", 3

    class Command(WireMessage, kw_only=True):
        command: Annotated[CommandInfo, 1]

    class Http(WireMessage, kw_only=True):
        port: Annotated[uint32, 1]
        path: Annotated[str | None, 2] = None

    class Tcp(WireMessage, kw_only=True):
        port: Annotated[uint32, 1]

    type: Annotated[CheckInfo.Type | None, 1] = None
    command: Annotated[CheckInfo.Command | None, 2] = None
    http: Annotated[CheckInfo.Http | None, 3] = None
    tcp: Annotated[CheckInfo.Tcp | None, 7] = None
    delay_seconds: Annotated[float, 4] = field(default_factory=lambda: 15.0)
    interval_seconds: Annotated[float, 5] = field(default_factory=lambda: 10.0)
    timeout_seconds: Annotated[float, 6] = field(default_factory=lambda: 20.0)


class HealthCheck(WireMessage, kw_only=True):
    """A command or a connection that is tried again and again; a task that fails it too often is killed."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        COMMAND = "COMMAND", 1
        HTTP = "HTTP", 2
        TCP = "TCP", 3

    class HTTPCheckInfo(WireMessage, kw_only=True):
        """Healthy is an answer with a status from 200 to 399."""

        protocol: Annotated[NetworkInfo.Protocol, 5] = field(default_factory=lambda: NetworkInfo.Protocol.IPv4)
        scheme: Annotated[str | None, 3] = None
        port: Annotated[uint32, 1]
        path: Annotated[str | None, 2] = None
        statuses: Annotated[list[uint32], 4] = []

    class TCPCheckInfo(WireMessage, kw_only=True):
        """Healthy is a port that takes a connection."""

        protocol: Annotated[NetworkInfo.Protocol, 2] = field(default_factory=lambda: NetworkInfo.Protocol.IPv4)
        port: Annotated[uint32, 1]

    delay_seconds: Annotated[float, 2] = field(default_factory=lambda: 15.0)
    interval_seconds: Annotated[float, 3] = field(default_factory=lambda: 10.0)
    timeout_seconds: Annotated[float, 4] = field(default_factory=lambda: 20.0)
    consecutive_failures: Annotated[uint32, 5] = field(default_factory=lambda: 3)
    grace_period_seconds: Annotated[float, 6] = field(default_factory=lambda: 10.0)
    type: Annotated[HealthCheck.Type | None, 8] = None
    command: Annotated[CommandInfo | None, 7] = None
    http: Annotated[HealthCheck.HTTPCheckInfo | None, 1] = None
    tcp: Annotated[HealthCheck.TCPCheckInfo | None, 9] = None


class KillPolicy(WireMessage, kw_only=True):
    """How long a task has between being asked to end and being killed."""

    grace_period: Annotated[DurationInfo | None, 1] = None


class CommandInfo(WireMessage, kw_only=True):
    """A command, and what must be in the sandbox before it runs.

    With `shell` the `value` is given to `/bin/sh -c`; without it `value` is the program and `arguments` are all of its
    arguments, the program's own name first.
    """

    class URI(WireMessage, kw_only=True):
        """A file to fetch into the sandbox; archives are unpacked unless `extract` is false."""

        value: Annotated[str, 1]
        executable: Annotated[bool | None, 2] = None
        extract: Annotated[bool, 3] = field(default_factory=lambda: True)
        cache: Annotated[bool | None, 4] = None
        output_file: Annotated[str | None, 5] = None

    uris: Annotated[list[CommandInfo.URI], 1] = []
    environment: Annotated[Environment | None, 2] = None
    shell: Annotated[bool, 6] = field(default_factory=lambda: True)
    value: Annotated[str | None, 3] = None
    arguments: Annotated[list[str], 7] = []
    user: Annotated[str | None, 5] = None


class ExecutorInfo(WireMessage, kw_only=True):
    """An executor: the process that runs a framework's tasks on an agent.

    CUSTOM is the framework's own command; DEFAULT runs task groups and comes with the agent. Tasks with an equal
    description share one process, whose `resources` are used on top of theirs.
    """

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        DEFAULT = "DEFAULT", 1
        CUSTOM = "CUSTOM", 2

    type: Annotated[ExecutorInfo.Type | None, 15] = None
    executor_id: Annotated[ExecutorID, 1]
    framework_id: Annotated[FrameworkID | None, 8] = None
    command: Annotated[CommandInfo | None, 7] = None
    container: Annotated[ContainerInfo | None, 11] = None
    resources: Annotated[list[Resource], 5] = []
    name: Annotated[str | None, 9] = None
    source: Annotated[str | None, Proto(10, deprecated=True)] = None
    data: Annotated[bytes | None, 4] = None
    discovery: Annotated[DiscoveryInfo | None, 12] = None
    shutdown_grace_period: Annotated[DurationInfo | None, 13] = None
    labels: Annotated[Labels | None, 14] = None


class DomainInfo(WireMessage, kw_only=True):
    """Where a machine stands."""

    class FaultDomain(WireMessage, kw_only=True):
        """What fails together: a region, and a zone of it."""

        class RegionInfo(WireMessage, kw_only=True):
            name: Annotated[str, 1]

        class ZoneInfo(WireMessage, kw_only=True):
            name: Annotated[str, 1]

        region: Annotated[DomainInfo.FaultDomain.RegionInfo, 1]
        zone: Annotated[DomainInfo.FaultDomain.ZoneInfo, 2]

    fault_domain: Annotated[DomainInfo.FaultDomain | None, 1] = None


class MasterInfo(WireMessage, kw_only=True):
    """A master and where it listens. `ip` is a number in network byte order, `address` the same to read."""

    class Capability(WireMessage, kw_only=True):
        """Something that a master can do."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            AGENT_UPDATE = "AGENT_UPDATE", 1
            AGENT_DRAINING = "AGENT_DRAINING", 2
            QUOTA_V2 = "QUOTA_V2", 3

        type: Annotated[MasterInfo.Capability.Type | None, 1] = None

    id: Annotated[str, 1]
    ip: Annotated[uint32, 2]
    port: Annotated[uint32, Proto(3, default="5050")]
    pid: Annotated[str | None, 4] = None
    hostname: Annotated[str | None, 5] = None
    version: Annotated[str | None, 6] = None
    address: Annotated[Address | None, 7] = None
    domain: Annotated[DomainInfo | None, 8] = None
    capabilities: Annotated[list[MasterInfo.Capability], 9] = []


class AgentInfo(WireMessage, kw_only=True):
    """An agent: where it listens and what it has."""

    class Capability(WireMessage, kw_only=True):
        """Something that an agent can do."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            MULTI_ROLE = "MULTI_ROLE", 1
            HIERARCHICAL_ROLE = "HIERARCHICAL_ROLE", 2
            RESERVATION_REFINEMENT = "RESERVATION_REFINEMENT", 3
            RESOURCE_PROVIDER = "RESOURCE_PROVIDER", 4
            RESIZE_VOLUME = "RESIZE_VOLUME", 5
            AGENT_OPERATION_FEEDBACK = "AGENT_OPERATION_FEEDBACK", 6
            AGENT_DRAINING = "AGENT_DRAINING", 7
            TASK_RESOURCE_LIMITS = "TASK_RESOURCE_LIMITS", 8

        type: Annotated[AgentInfo.Capability.Type | None, 1] = None

    hostname: Annotated[str, 1]
    port: Annotated[int32, 8] = field(default_factory=lambda: 5051)
    resources: Annotated[list[Resource], 3] = []
    attributes: Annotated[list[Attribute], 5] = []
    id: Annotated[AgentID | None, 6] = None
    domain: Annotated[DomainInfo | None, 10] = None


class CSIPluginContainerInfo(WireMessage, kw_only=True):
    class Service(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        CONTROLLER_SERVICE = "CONTROLLER_SERVICE", 1
        NODE_SERVICE = "NODE_SERVICE", 2

    services: Annotated[list[CSIPluginContainerInfo.Service], 1] = []
    command: Annotated[CommandInfo | None, 2] = None
    resources: Annotated[list[Resource], 3] = []
    container: Annotated[ContainerInfo | None, 4] = None


class CSIPluginEndpoint(WireMessage, kw_only=True):
    csi_service: Annotated[CSIPluginContainerInfo.Service, 1]
    endpoint: Annotated[str, 2]


class CSIPluginInfo(WireMessage, kw_only=True):
    type: Annotated[str, 1]
    name: Annotated[str, 2] = field(default_factory=lambda: "default")
    containers: Annotated[list[CSIPluginContainerInfo], 3] = []
    endpoints: Annotated[list[CSIPluginEndpoint], 4] = []
    target_path_root: Annotated[str | None, 5] = None
    target_path_exists: Annotated[bool | None, 6] = None


class ResourceProviderInfo(WireMessage, kw_only=True):
    """A source of resources beside the agent's own, such as storage."""

    class Storage(WireMessage, kw_only=True):
        plugin: Annotated[CSIPluginInfo, 1]
        reconciliation_interval_seconds: Annotated[float | None, 2] = None

    id: Annotated[ResourceProviderID | None, 1] = None
    attributes: Annotated[list[Attribute], 2] = []
    type: Annotated[str, 3]
    name: Annotated[str, 4]
    default_reservations: Annotated[list[Resource.ReservationInfo], 5] = []
    storage: Annotated[ResourceProviderInfo.Storage | None, 6] = None


class Value(WireMessage, kw_only=True):
    """A value of one of four types; the member named like `type` is set."""

    class Type(ProtoEnum):
        SCALAR = "SCALAR", 0
        RANGES = "RANGES", 1
        SET = "SET", 2
        TEXT = "TEXT", 3

    class Scalar(WireMessage, kw_only=True):
        """A number, exact to three digits after the point."""

        value: Annotated[float, 1]

    class Range(WireMessage, kw_only=True):
        """Whole numbers from `begin` to `end`, both included."""

        begin: Annotated[uint64, 1]
        end: Annotated[uint64, 2]

    class Ranges(WireMessage, kw_only=True):
        """Several ranges; each number is in one of them at most."""

        range: Annotated[list[Value.Range], 1] = []

    class Set(WireMessage, kw_only=True):
        """Several texts, each once."""

        item: Annotated[list[str], 1] = []

    class Text(WireMessage, kw_only=True):
        value: Annotated[str, 1]

    type: Annotated[Value.Type, 1]
    scalar: Annotated[Value.Scalar | None, 2] = None
    ranges: Annotated[Value.Ranges | None, 3] = None
    set: Annotated[Value.Set | None, 4] = None
    text: Annotated[Value.Text | None, 5] = None


class Attribute(WireMessage, kw_only=True):
    """Something to know about an agent, such as its rack. Attributes are not used up."""

    name: Annotated[str, 1]
    type: Annotated[Value.Type, 2]
    scalar: Annotated[Value.Scalar | None, 3] = None
    ranges: Annotated[Value.Ranges | None, 4] = None
    set: Annotated[Value.Set | None, 6] = None
    text: Annotated[Value.Text | None, 5] = None


class Resource(WireMessage, kw_only=True):
    """Some of one resource of one agent: an amount, ranges (ports) or a set.

    What it is reserved for stands in `reservations`, the outermost role first; without any it is free for all roles.
    `role` and `reservation` are the older form of the same. `allocation_info` names the role that it is allocated or
    offered to.
    """

    class AllocationInfo(WireMessage, kw_only=True):
        """Whose share this counts in."""

        role: Annotated[str | None, 1] = None

    class ReservationInfo(WireMessage, kw_only=True):
        """One reservation: STATIC by the agent's configuration, DYNAMIC by an operation."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            STATIC = "STATIC", 1
            DYNAMIC = "DYNAMIC", 2

        type: Annotated[Resource.ReservationInfo.Type | None, 4] = None
        role: Annotated[str | None, 3] = None
        principal: Annotated[str | None, 1] = None
        labels: Annotated[Labels | None, 2] = None

    class DiskInfo(WireMessage, kw_only=True):
        """What kind of disk this is: a persistent volume, a disk of its own, or both."""

        class Persistence(WireMessage, kw_only=True):
            """The name of a volume whose data outlive tasks and executors."""

            id: Annotated[str, 1]
            principal: Annotated[str | None, 2] = None

        class Source(WireMessage, kw_only=True):
            """Where the disk comes from. PATH can be divided, MOUNT, BLOCK and RAW only be used whole."""

            class Type(ProtoEnum):
                UNKNOWN = "UNKNOWN", 0
                PATH = "PATH", 1
                MOUNT = "MOUNT", 2
                BLOCK = "BLOCK", 3
                RAW = "RAW", 4

            class Path(WireMessage, kw_only=True):
                root: Annotated[str | None, 1] = None

            class Mount(WireMessage, kw_only=True):
                root: Annotated[str | None, 1] = None

            type: Annotated[Resource.DiskInfo.Source.Type, 1]
            path: Annotated[Resource.DiskInfo.Source.Path | None, 2] = None
            mount: Annotated[Resource.DiskInfo.Source.Mount | None, 3] = None
            vendor: Annotated[str | None, 7] = None
            id: Annotated[str | None, 4] = None
            metadata: Annotated[Labels | None, 5] = None
            profile: Annotated[str | None, 6] = None

        persistence: Annotated[Resource.DiskInfo.Persistence | None, 1] = None
        volume: Annotated[Volume | None, 2] = None
        source: Annotated[Resource.DiskInfo.Source | None, 3] = None

    class RevocableInfo(WireMessage, kw_only=True):
        """Present on resources that may be taken back from a running task at any time."""

    class SharedInfo(WireMessage, kw_only=True):
        """Present on resources that several tasks may use at once."""

    provider_id: Annotated[ResourceProviderID | None, 12] = None
    name: Annotated[str, 1]
    type: Annotated[Value.Type, 2]
    scalar: Annotated[Value.Scalar | None, 3] = None
    ranges: Annotated[Value.Ranges | None, 4] = None
    set: Annotated[Value.Set | None, 5] = None
    role: Annotated[str | None, Proto(6, deprecated=True, default="*")] = None
    allocation_info: Annotated[Resource.AllocationInfo | None, 11] = None
    reservation: Annotated[Resource.ReservationInfo | None, 8] = None
    reservations: Annotated[list[Resource.ReservationInfo], 13] = []
    disk: Annotated[Resource.DiskInfo | None, 7] = None
    revocable: Annotated[Resource.RevocableInfo | None, 9] = None
    shared: Annotated[Resource.SharedInfo | None, 10] = None


class TrafficControlStatistics(WireMessage, kw_only=True):
    id: Annotated[str, 1]
    backlog: Annotated[uint64 | None, 2] = None
    bytes: Annotated[uint64 | None, 3] = None
    drops: Annotated[uint64 | None, 4] = None
    overlimits: Annotated[uint64 | None, 5] = None
    packets: Annotated[uint64 | None, 6] = None
    qlen: Annotated[uint64 | None, 7] = None
    ratebps: Annotated[uint64 | None, 8] = None
    ratepps: Annotated[uint64 | None, 9] = None
    requeues: Annotated[uint64 | None, 10] = None


class IpStatistics(WireMessage, kw_only=True):
    Forwarding: Annotated[int64 | None, 1] = None
    DefaultTTL: Annotated[int64 | None, 2] = None
    InReceives: Annotated[int64 | None, 3] = None
    InHdrErrors: Annotated[int64 | None, 4] = None
    InAddrErrors: Annotated[int64 | None, 5] = None
    ForwDatagrams: Annotated[int64 | None, 6] = None
    InUnknownProtos: Annotated[int64 | None, 7] = None
    InDiscards: Annotated[int64 | None, 8] = None
    InDelivers: Annotated[int64 | None, 9] = None
    OutRequests: Annotated[int64 | None, 10] = None
    OutDiscards: Annotated[int64 | None, 11] = None
    OutNoRoutes: Annotated[int64 | None, 12] = None
    ReasmTimeout: Annotated[int64 | None, 13] = None
    ReasmReqds: Annotated[int64 | None, 14] = None
    ReasmOKs: Annotated[int64 | None, 15] = None
    ReasmFails: Annotated[int64 | None, 16] = None
    FragOKs: Annotated[int64 | None, 17] = None
    FragFails: Annotated[int64 | None, 18] = None
    FragCreates: Annotated[int64 | None, 19] = None


class IcmpStatistics(WireMessage, kw_only=True):
    InMsgs: Annotated[int64 | None, 1] = None
    InErrors: Annotated[int64 | None, 2] = None
    InCsumErrors: Annotated[int64 | None, 3] = None
    InDestUnreachs: Annotated[int64 | None, 4] = None
    InTimeExcds: Annotated[int64 | None, 5] = None
    InParmProbs: Annotated[int64 | None, 6] = None
    InSrcQuenchs: Annotated[int64 | None, 7] = None
    InRedirects: Annotated[int64 | None, 8] = None
    InEchos: Annotated[int64 | None, 9] = None
    InEchoReps: Annotated[int64 | None, 10] = None
    InTimestamps: Annotated[int64 | None, 11] = None
    InTimestampReps: Annotated[int64 | None, 12] = None
    InAddrMasks: Annotated[int64 | None, 13] = None
    InAddrMaskReps: Annotated[int64 | None, 14] = None
    OutMsgs: Annotated[int64 | None, 15] = None
    OutErrors: Annotated[int64 | None, 16] = None
    OutDestUnreachs: Annotated[int64 | None, 17] = None
    OutTimeExcds: Annotated[int64 | None, 18] = None
    OutParmProbs: Annotated[int64 | None, 19] = None
    OutSrcQuenchs: Annotated[int64 | None, 20] = None
    OutRedirects: Annotated[int64 | None, 21] = None
    OutEchos: Annotated[int64 | None, 22] = None
    OutEchoReps: Annotated[int64 | None, 23] = None
    OutTimestamps: Annotated[int64 | None, 24] = None
    OutTimestampReps: Annotated[int64 | None, 25] = None
    OutAddrMasks: Annotated[int64 | None, 26] = None
    OutAddrMaskReps: Annotated[int64 | None, 27] = None


class TcpStatistics(WireMessage, kw_only=True):
    RtoAlgorithm: Annotated[int64 | None, 1] = None
    RtoMin: Annotated[int64 | None, 2] = None
    RtoMax: Annotated[int64 | None, 3] = None
    MaxConn: Annotated[int64 | None, 4] = None
    ActiveOpens: Annotated[int64 | None, 5] = None
    PassiveOpens: Annotated[int64 | None, 6] = None
    AttemptFails: Annotated[int64 | None, 7] = None
    EstabResets: Annotated[int64 | None, 8] = None
    CurrEstab: Annotated[int64 | None, 9] = None
    InSegs: Annotated[int64 | None, 10] = None
    OutSegs: Annotated[int64 | None, 11] = None
    RetransSegs: Annotated[int64 | None, 12] = None
    InErrs: Annotated[int64 | None, 13] = None
    OutRsts: Annotated[int64 | None, 14] = None
    InCsumErrors: Annotated[int64 | None, 15] = None


class UdpStatistics(WireMessage, kw_only=True):
    InDatagrams: Annotated[int64 | None, 1] = None
    NoPorts: Annotated[int64 | None, 2] = None
    InErrors: Annotated[int64 | None, 3] = None
    OutDatagrams: Annotated[int64 | None, 4] = None
    RcvbufErrors: Annotated[int64 | None, 5] = None
    SndbufErrors: Annotated[int64 | None, 6] = None
    InCsumErrors: Annotated[int64 | None, 7] = None
    IgnoredMulti: Annotated[int64 | None, 8] = None


class SNMPStatistics(WireMessage, kw_only=True):
    ip_stats: Annotated[IpStatistics | None, 1] = None
    icmp_stats: Annotated[IcmpStatistics | None, 2] = None
    tcp_stats: Annotated[TcpStatistics | None, 3] = None
    udp_stats: Annotated[UdpStatistics | None, 4] = None


class DiskStatistics(WireMessage, kw_only=True):
    source: Annotated[Resource.DiskInfo.Source | None, 1] = None
    persistence: Annotated[Resource.DiskInfo.Persistence | None, 2] = None
    limit_bytes: Annotated[uint64 | None, 3] = None
    used_bytes: Annotated[uint64 | None, 4] = None


class ResourceStatistics(WireMessage, kw_only=True):
    """What a container has used and may use, at one moment."""

    class RatePercentiles(WireMessage, kw_only=True):
        min: Annotated[uint64 | None, 1] = None
        max: Annotated[uint64 | None, 2] = None
        p50: Annotated[uint64 | None, 3] = None
        p90: Annotated[uint64 | None, 4] = None
        p95: Annotated[uint64 | None, 5] = None
        p99: Annotated[uint64 | None, 6] = None
        p999: Annotated[uint64 | None, 7] = None
        p9999: Annotated[uint64 | None, 8] = None
        samples: Annotated[uint64 | None, 9] = None

    class RateStatistics(WireMessage, kw_only=True):
        rx_rate: Annotated[ResourceStatistics.RatePercentiles | None, 1] = None
        rx_packet_rate: Annotated[ResourceStatistics.RatePercentiles | None, 2] = None
        rx_drop_rate: Annotated[ResourceStatistics.RatePercentiles | None, 3] = None
        rx_error_rate: Annotated[ResourceStatistics.RatePercentiles | None, 4] = None
        tx_rate: Annotated[ResourceStatistics.RatePercentiles | None, 5] = None
        tx_packet_rate: Annotated[ResourceStatistics.RatePercentiles | None, 6] = None
        tx_drop_rate: Annotated[ResourceStatistics.RatePercentiles | None, 7] = None
        tx_error_rate: Annotated[ResourceStatistics.RatePercentiles | None, 8] = None
        sampling_window_secs: Annotated[float | None, 9] = None
        sampling_interval_secs: Annotated[float | None, 10] = None

    timestamp: Annotated[float, 1]
    processes: Annotated[uint32 | None, 30] = None
    threads: Annotated[uint32 | None, 31] = None
    cpus_user_time_secs: Annotated[float | None, 2] = None
    cpus_system_time_secs: Annotated[float | None, 3] = None
    cpus_limit: Annotated[float | None, 4] = None
    cpus_soft_limit: Annotated[float | None, 45] = None
    cpus_nr_periods: Annotated[uint32 | None, 7] = None
    cpus_nr_throttled: Annotated[uint32 | None, 8] = None
    cpus_throttled_time_secs: Annotated[float | None, 9] = None
    mem_total_bytes: Annotated[uint64 | None, 36] = None
    mem_total_memsw_bytes: Annotated[uint64 | None, 37] = None
    mem_kmem_usage_bytes: Annotated[uint64 | None, 52] = None
    mem_kmem_tcp_usage_bytes: Annotated[uint64 | None, 53] = None
    mem_limit_bytes: Annotated[uint64 | None, 6] = None
    mem_soft_limit_bytes: Annotated[uint64 | None, 38] = None
    mem_file_bytes: Annotated[uint64 | None, 10] = None
    mem_anon_bytes: Annotated[uint64 | None, 11] = None
    mem_cache_bytes: Annotated[uint64 | None, 39] = None
    mem_rss_bytes: Annotated[uint64 | None, 5] = None
    mem_mapped_file_bytes: Annotated[uint64 | None, 12] = None
    mem_swap_bytes: Annotated[uint64 | None, 40] = None
    mem_unevictable_bytes: Annotated[uint64 | None, 41] = None
    mem_low_pressure_counter: Annotated[uint64 | None, 32] = None
    mem_medium_pressure_counter: Annotated[uint64 | None, 33] = None
    mem_critical_pressure_counter: Annotated[uint64 | None, 34] = None
    disk_limit_bytes: Annotated[uint64 | None, 26] = None
    disk_used_bytes: Annotated[uint64 | None, 27] = None
    disk_statistics: Annotated[list[DiskStatistics], 43] = []
    blkio_statistics: Annotated[CgroupInfo.Blkio.Statistics | None, 44] = None
    perf: Annotated[PerfStatistics | None, 13] = None
    net_rx_packets: Annotated[uint64 | None, 14] = None
    net_rx_bytes: Annotated[uint64 | None, 15] = None
    net_rx_errors: Annotated[uint64 | None, 16] = None
    net_rx_dropped: Annotated[uint64 | None, 17] = None
    net_tx_packets: Annotated[uint64 | None, 18] = None
    net_tx_bytes: Annotated[uint64 | None, 19] = None
    net_tx_errors: Annotated[uint64 | None, 20] = None
    net_tx_dropped: Annotated[uint64 | None, 21] = None
    net_tx_rate_limit: Annotated[uint64 | None, 46] = None
    net_tx_burst_rate_limit: Annotated[uint64 | None, 47] = None
    net_tx_burst_size: Annotated[uint64 | None, 48] = None
    net_rx_rate_limit: Annotated[uint64 | None, 49] = None
    net_rx_burst_rate_limit: Annotated[uint64 | None, 50] = None
    net_rx_burst_size: Annotated[uint64 | None, 51] = None
    net_rate_statistics: Annotated[ResourceStatistics.RateStatistics | None, 54] = None
    net_ephemeral_ports: Annotated[Value.Range | None, 55] = None
    net_tcp_rtt_microsecs_p50: Annotated[float | None, 22] = None
    net_tcp_rtt_microsecs_p90: Annotated[float | None, 23] = None
    net_tcp_rtt_microsecs_p95: Annotated[float | None, 24] = None
    net_tcp_rtt_microsecs_p99: Annotated[float | None, 25] = None
    net_tcp_active_connections: Annotated[float | None, 28] = None
    net_tcp_time_wait_connections: Annotated[float | None, 29] = None
    net_traffic_control_statistics: Annotated[list[TrafficControlStatistics], 35] = []
    net_snmp_statistics: Annotated[SNMPStatistics | None, 42] = None


class ResourceUsage(WireMessage, kw_only=True):
    """What the executors of an agent use."""

    class Executor(WireMessage, kw_only=True):
        class Task(WireMessage, kw_only=True):
            name: Annotated[str, 1]
            id: Annotated[TaskID, 2]
            resources: Annotated[list[Resource], 3] = []
            labels: Annotated[Labels | None, 4] = None

        executor_info: Annotated[ExecutorInfo, 1]
        allocated: Annotated[list[Resource], 2] = []
        statistics: Annotated[ResourceStatistics | None, 3] = None
        container_id: Annotated[ContainerID, 4]
        tasks: Annotated[list[ResourceUsage.Executor.Task], 5] = []

    executors: Annotated[list[ResourceUsage.Executor], 1] = []
    total: Annotated[list[Resource], 2] = []


class PerfStatistics(WireMessage, kw_only=True):
    timestamp: Annotated[float, 1]
    duration: Annotated[float, 2]
    cycles: Annotated[uint64 | None, 3] = None
    stalled_cycles_frontend: Annotated[uint64 | None, 4] = None
    stalled_cycles_backend: Annotated[uint64 | None, 5] = None
    instructions: Annotated[uint64 | None, 6] = None
    cache_references: Annotated[uint64 | None, 7] = None
    cache_misses: Annotated[uint64 | None, 8] = None
    branches: Annotated[uint64 | None, 9] = None
    branch_misses: Annotated[uint64 | None, 10] = None
    bus_cycles: Annotated[uint64 | None, 11] = None
    ref_cycles: Annotated[uint64 | None, 12] = None
    cpu_clock: Annotated[float | None, 13] = None
    task_clock: Annotated[float | None, 14] = None
    page_faults: Annotated[uint64 | None, 15] = None
    minor_faults: Annotated[uint64 | None, 16] = None
    major_faults: Annotated[uint64 | None, 17] = None
    context_switches: Annotated[uint64 | None, 18] = None
    cpu_migrations: Annotated[uint64 | None, 19] = None
    alignment_faults: Annotated[uint64 | None, 20] = None
    emulation_faults: Annotated[uint64 | None, 21] = None
    l1_dcache_loads: Annotated[uint64 | None, 22] = None
    l1_dcache_load_misses: Annotated[uint64 | None, 23] = None
    l1_dcache_stores: Annotated[uint64 | None, 24] = None
    l1_dcache_store_misses: Annotated[uint64 | None, 25] = None
    l1_dcache_prefetches: Annotated[uint64 | None, 26] = None
    l1_dcache_prefetch_misses: Annotated[uint64 | None, 27] = None
    l1_icache_loads: Annotated[uint64 | None, 28] = None
    l1_icache_load_misses: Annotated[uint64 | None, 29] = None
    l1_icache_prefetches: Annotated[uint64 | None, 30] = None
    l1_icache_prefetch_misses: Annotated[uint64 | None, 31] = None
    llc_loads: Annotated[uint64 | None, 32] = None
    llc_load_misses: Annotated[uint64 | None, 33] = None
    llc_stores: Annotated[uint64 | None, 34] = None
    llc_store_misses: Annotated[uint64 | None, 35] = None
    llc_prefetches: Annotated[uint64 | None, 36] = None
    llc_prefetch_misses: Annotated[uint64 | None, 37] = None
    dtlb_loads: Annotated[uint64 | None, 38] = None
    dtlb_load_misses: Annotated[uint64 | None, 39] = None
    dtlb_stores: Annotated[uint64 | None, 40] = None
    dtlb_store_misses: Annotated[uint64 | None, 41] = None
    dtlb_prefetches: Annotated[uint64 | None, 42] = None
    dtlb_prefetch_misses: Annotated[uint64 | None, 43] = None
    itlb_loads: Annotated[uint64 | None, 44] = None
    itlb_load_misses: Annotated[uint64 | None, 45] = None
    branch_loads: Annotated[uint64 | None, 46] = None
    branch_load_misses: Annotated[uint64 | None, 47] = None
    node_loads: Annotated[uint64 | None, 48] = None
    node_load_misses: Annotated[uint64 | None, 49] = None
    node_stores: Annotated[uint64 | None, 50] = None
    node_store_misses: Annotated[uint64 | None, 51] = None
    node_prefetches: Annotated[uint64 | None, 52] = None
    node_prefetch_misses: Annotated[uint64 | None, 53] = None


class OfferFilters(WireMessage, kw_only=True):
    """Which offers a framework wants at all, by role."""

    class ResourceQuantities(WireMessage, kw_only=True):
        quantities: Annotated[dict[str, Value.Scalar], 1] = {}

    class MinAllocatableResources(WireMessage, kw_only=True):
        """An offer must hold at least one of these sets of quantities."""

        quantities: Annotated[list[OfferFilters.ResourceQuantities], 1] = []

    min_allocatable_resources: Annotated[OfferFilters.MinAllocatableResources | None, 1] = None


class Request(WireMessage, kw_only=True):
    """A wish for resources. Taken and ignored."""

    agent_id: Annotated[AgentID | None, 1] = None
    resources: Annotated[list[Resource], 2] = []


class Offer(WireMessage, kw_only=True):
    """What one framework may use of one agent until it answers or the offer is withdrawn.

    All resources of an offer are allocated to one role. `executor_ids` are the framework's executors that run there
    already; `unavailability` says that maintenance of the machine is planned.
    """

    class Operation(WireMessage, kw_only=True):
        """Something to do with offered resources; the member named like `type` is set."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            LAUNCH = "LAUNCH", 1
            LAUNCH_GROUP = "LAUNCH_GROUP", 6
            RESERVE = "RESERVE", 2
            UNRESERVE = "UNRESERVE", 3
            CREATE = "CREATE", 4
            DESTROY = "DESTROY", 5
            GROW_VOLUME = "GROW_VOLUME", 11
            SHRINK_VOLUME = "SHRINK_VOLUME", 12
            CREATE_DISK = "CREATE_DISK", 13
            DESTROY_DISK = "DESTROY_DISK", 14

        class Launch(WireMessage, kw_only=True):
            """Run tasks, each for itself."""

            task_infos: Annotated[list[TaskInfo], 1] = []

        class LaunchGroup(WireMessage, kw_only=True):
            """Run tasks together in one executor: all of them or none."""

            executor: Annotated[ExecutorInfo, 1]
            task_group: Annotated[TaskGroupInfo, 2]

        class Reserve(WireMessage, kw_only=True):
            """Reserve resources for a role; with `source`, change the reservation that they have."""

            source: Annotated[list[Resource], 2] = []
            resources: Annotated[list[Resource], 1] = []

        class Unreserve(WireMessage, kw_only=True):
            """Give a dynamic reservation up."""

            resources: Annotated[list[Resource], 1] = []

        class Create(WireMessage, kw_only=True):
            """Make persistent volumes of reserved disk."""

            volumes: Annotated[list[Resource], 1] = []

        class Destroy(WireMessage, kw_only=True):
            """Delete persistent volumes and what is in them."""

            volumes: Annotated[list[Resource], 1] = []

        class GrowVolume(WireMessage, kw_only=True):
            """Make a persistent volume larger."""

            volume: Annotated[Resource, 1]
            addition: Annotated[Resource, 2]

        class ShrinkVolume(WireMessage, kw_only=True):
            """Make a persistent volume smaller."""

            volume: Annotated[Resource, 1]
            subtract: Annotated[Value.Scalar, 2]

        class CreateDisk(WireMessage, kw_only=True):
            source: Annotated[Resource, 1]
            target_type: Annotated[Resource.DiskInfo.Source.Type, 2]
            target_profile: Annotated[str | None, 3] = None

        class DestroyDisk(WireMessage, kw_only=True):
            source: Annotated[Resource, 1]

        type: Annotated[Offer.Operation.Type | None, 1] = None
        id: Annotated[OperationID | None, 12] = None
        launch: Annotated[Offer.Operation.Launch | None, 2] = None
        launch_group: Annotated[Offer.Operation.LaunchGroup | None, 7] = None
        reserve: Annotated[Offer.Operation.Reserve | None, 3] = None
        unreserve: Annotated[Offer.Operation.Unreserve | None, 4] = None
        create: Annotated[Offer.Operation.Create | None, 5] = None
        destroy: Annotated[Offer.Operation.Destroy | None, 6] = None
        grow_volume: Annotated[Offer.Operation.GrowVolume | None, 13] = None
        shrink_volume: Annotated[Offer.Operation.ShrinkVolume | None, 14] = None
        create_disk: Annotated[Offer.Operation.CreateDisk | None, 15] = None
        destroy_disk: Annotated[Offer.Operation.DestroyDisk | None, 16] = None

    id: Annotated[OfferID, 1]
    framework_id: Annotated[FrameworkID, 2]
    agent_id: Annotated[AgentID, 3]
    hostname: Annotated[str, 4]
    url: Annotated[URL | None, 8] = None
    domain: Annotated[DomainInfo | None, 11] = None
    resources: Annotated[list[Resource], 5] = []
    attributes: Annotated[list[Attribute], 7] = []
    executor_ids: Annotated[list[ExecutorID], 6] = []
    unavailability: Annotated[Unavailability | None, 9] = None
    allocation_info: Annotated[Resource.AllocationInfo | None, 10] = None


class InverseOffer(WireMessage, kw_only=True):
    """A request to leave an agent because its machine is to be away."""

    id: Annotated[OfferID, 1]
    url: Annotated[URL | None, 2] = None
    framework_id: Annotated[FrameworkID, 3]
    agent_id: Annotated[AgentID | None, 4] = None
    unavailability: Annotated[Unavailability, 5]
    resources: Annotated[list[Resource], 6] = []


class TaskInfo(WireMessage, kw_only=True):
    """A task as its framework wants it: `resources` on the agent of the offer, and a `command` or an `executor`.

    `limits` lets it use more (or, by infinity, any amount) of cpus and mem than it is given. `data` is for the executor
    alone; nobody else looks at it.
    """

    name: Annotated[str, 1]
    task_id: Annotated[TaskID, 2]
    agent_id: Annotated[AgentID, 3]
    resources: Annotated[list[Resource], 4] = []
    executor: Annotated[ExecutorInfo | None, 5] = None
    command: Annotated[CommandInfo | None, 7] = None
    container: Annotated[ContainerInfo | None, 9] = None
    health_check: Annotated[HealthCheck | None, 8] = None
    check: Annotated[CheckInfo | None, 13] = None
    kill_policy: Annotated[KillPolicy | None, 12] = None
    data: Annotated[bytes | None, 6] = None
    labels: Annotated[Labels | None, 10] = None
    discovery: Annotated[DiscoveryInfo | None, 11] = None
    max_completion_time: Annotated[DurationInfo | None, 14] = None
    limits: Annotated[dict[str, Value.Scalar], 15] = {}


class TaskGroupInfo(WireMessage, kw_only=True):
    """Tasks that are launched and killed together."""

    tasks: Annotated[list[TaskInfo], 1] = []


class Task(WireMessage, kw_only=True):
    """A task as master and agent know it, with the updates of each state that it was in."""

    name: Annotated[str, 1]
    task_id: Annotated[TaskID, 2]
    framework_id: Annotated[FrameworkID, 3]
    executor_id: Annotated[ExecutorID | None, 4] = None
    agent_id: Annotated[AgentID, 5]
    state: Annotated[TaskState, 6]
    resources: Annotated[list[Resource], 7] = []
    statuses: Annotated[list[TaskStatus], 8] = []
    status_update_state: Annotated[TaskState | None, 9] = None
    status_update_uuid: Annotated[bytes | None, 10] = None
    labels: Annotated[Labels | None, 11] = None
    discovery: Annotated[DiscoveryInfo | None, 12] = None
    container: Annotated[ContainerInfo | None, 13] = None
    health_check: Annotated[HealthCheck | None, 15] = None
    kill_policy: Annotated[KillPolicy | None, 16] = None
    user: Annotated[str | None, 14] = None
    limits: Annotated[dict[str, Value.Scalar], 17] = {}


class TaskResourceLimitation(WireMessage, kw_only=True):
    """The resources of which a task used too much."""

    resources: Annotated[list[Resource], 1] = []


class UUID(WireMessage, kw_only=True):
    """The 16 bytes of a UUID."""

    value: Annotated[bytes, 1]


class Operation(WireMessage, kw_only=True):
    """An operation on resources and what became of it."""

    framework_id: Annotated[FrameworkID | None, 1] = None
    agent_id: Annotated[AgentID | None, 2] = None
    info: Annotated[Offer.Operation, 3]
    latest_status: Annotated[OperationStatus, 4]
    statuses: Annotated[list[OperationStatus], 5] = []
    uuid: Annotated[UUID, 6]


class OperationStatus(WireMessage, kw_only=True):
    """A state of an operation. `uuid` is set if the framework must acknowledge it."""

    operation_id: Annotated[OperationID | None, 1] = None
    state: Annotated[OperationState, 2]
    message: Annotated[str | None, 3] = None
    converted_resources: Annotated[list[Resource], 4] = []
    uuid: Annotated[UUID | None, 5] = None
    agent_id: Annotated[AgentID | None, 6] = None
    resource_provider_id: Annotated[ResourceProviderID | None, 7] = None


class CheckStatusInfo(WireMessage, kw_only=True):
    """The latest result of a task's check."""

    class Command(WireMessage, kw_only=True):
        exit_code: Annotated[int32 | None, 1] = None

    class Http(WireMessage, kw_only=True):
        status_code: Annotated[uint32 | None, 1] = None

    class Tcp(WireMessage, kw_only=True):
        succeeded: Annotated[bool | None, 1] = None

    type: Annotated[CheckInfo.Type | None, 1] = None
    command: Annotated[CheckStatusInfo.Command | None, 2] = None
    http: Annotated[CheckStatusInfo.Http | None, 3] = None
    tcp: Annotated[CheckStatusInfo.Tcp | None, 4] = None


class TaskStatus(WireMessage, kw_only=True):
    """A state of a task, and why it is in it.

    `uuid` is set if the framework must acknowledge the update. `timestamp` is in seconds since the epoch. `source`
    says who made the update, `reason` is for programs and `message` for people.
    """

    class Reason(ProtoEnum):
        REASON_COMMAND_EXECUTOR_FAILED = "REASON_COMMAND_EXECUTOR_FAILED", 0
        REASON_CONTAINER_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED", 21
        REASON_CONTAINER_LIMITATION = "REASON_CONTAINER_LIMITATION", 19
        REASON_CONTAINER_LIMITATION_DISK = "REASON_CONTAINER_LIMITATION_DISK", 20
        REASON_CONTAINER_LIMITATION_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY", 8
        REASON_CONTAINER_PREEMPTED = "REASON_CONTAINER_PREEMPTED", 17
        REASON_CONTAINER_UPDATE_FAILED = "REASON_CONTAINER_UPDATE_FAILED", 22
        REASON_MAX_COMPLETION_TIME_REACHED = "REASON_MAX_COMPLETION_TIME_REACHED", 33
        REASON_EXECUTOR_REGISTRATION_TIMEOUT = "REASON_EXECUTOR_REGISTRATION_TIMEOUT", 23
        REASON_EXECUTOR_REREGISTRATION_TIMEOUT = "REASON_EXECUTOR_REREGISTRATION_TIMEOUT", 24
        REASON_EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED", 1
        REASON_EXECUTOR_UNREGISTERED = "REASON_EXECUTOR_UNREGISTERED", 2
        REASON_FRAMEWORK_REMOVED = "REASON_FRAMEWORK_REMOVED", 3
        REASON_GC_ERROR = "REASON_GC_ERROR", 4
        REASON_INVALID_FRAMEWORKID = "REASON_INVALID_FRAMEWORKID", 5
        REASON_INVALID_OFFERS = "REASON_INVALID_OFFERS", 6
        REASON_IO_SWITCHBOARD_EXITED = "REASON_IO_SWITCHBOARD_EXITED", 27
        REASON_MASTER_DISCONNECTED = "REASON_MASTER_DISCONNECTED", 7
        REASON_RECONCILIATION = "REASON_RECONCILIATION", 9
        REASON_RESOURCES_UNKNOWN = "REASON_RESOURCES_UNKNOWN", 18
        REASON_AGENT_DISCONNECTED = "REASON_AGENT_DISCONNECTED", 10
        REASON_AGENT_DRAINING = "REASON_AGENT_DRAINING", 34
        REASON_AGENT_REMOVED = "REASON_AGENT_REMOVED", 11
        REASON_AGENT_REMOVED_BY_OPERATOR = "REASON_AGENT_REMOVED_BY_OPERATOR", 31
        REASON_AGENT_REREGISTERED = "REASON_AGENT_REREGISTERED", 32
        REASON_AGENT_RESTARTED = "REASON_AGENT_RESTARTED", 12
        REASON_AGENT_UNKNOWN = "REASON_AGENT_UNKNOWN", 13
        REASON_TASK_KILLED_DURING_LAUNCH = "REASON_TASK_KILLED_DURING_LAUNCH", 30
        REASON_TASK_CHECK_STATUS_UPDATED = "REASON_TASK_CHECK_STATUS_UPDATED", 28
        REASON_TASK_HEALTH_CHECK_STATUS_UPDATED = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", 29
        REASON_TASK_GROUP_INVALID = "REASON_TASK_GROUP_INVALID", 25
        REASON_TASK_GROUP_UNAUTHORIZED = "REASON_TASK_GROUP_UNAUTHORIZED", 26
        REASON_TASK_INVALID = "REASON_TASK_INVALID", 14
        REASON_TASK_UNAUTHORIZED = "REASON_TASK_UNAUTHORIZED", 15
        REASON_TASK_UNKNOWN = "REASON_TASK_UNKNOWN", 16

    class Source(ProtoEnum):
        SOURCE_MASTER = "SOURCE_MASTER", 0
        SOURCE_AGENT = "SOURCE_AGENT", 1
        SOURCE_EXECUTOR = "SOURCE_EXECUTOR", 2

    task_id: Annotated[TaskID, 1]
    state: Annotated[TaskState, 2]
    message: Annotated[str | None, 4] = None
    source: Annotated[TaskStatus.Source | None, 9] = None
    reason: Annotated[TaskStatus.Reason | None, 10] = None
    data: Annotated[bytes | None, 3] = None
    agent_id: Annotated[AgentID | None, 5] = None
    executor_id: Annotated[ExecutorID | None, 7] = None
    timestamp: Annotated[float | None, 6] = None
    uuid: Annotated[bytes | None, 11] = None
    healthy: Annotated[bool | None, 8] = None
    check_status: Annotated[CheckStatusInfo | None, 15] = None
    labels: Annotated[Labels | None, 12] = None
    container_status: Annotated[ContainerStatus | None, 13] = None
    unreachable_time: Annotated[TimeInfo | None, 14] = None
    limitation: Annotated[TaskResourceLimitation | None, 16] = None


class Filters(WireMessage, kw_only=True):
    """How many seconds resources that were declined, or left over, are not offered again to this framework."""

    refuse_seconds: Annotated[float, 1] = field(default_factory=lambda: 5.0)


class Environment(WireMessage, kw_only=True):
    """Variables that a process finds when it starts."""

    class Variable(WireMessage, kw_only=True):
        """A variable: a text in `value`, or a `secret`."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            VALUE = "VALUE", 1
            SECRET = "SECRET", 2

        name: Annotated[str, 1]
        type: Annotated[Environment.Variable.Type, 3] = field(default_factory=lambda: Environment.Variable.Type.VALUE)
        value: Annotated[str | None, 2] = None
        secret: Annotated[Secret | None, 4] = None

    variables: Annotated[list[Environment.Variable], 1] = []


class Parameter(WireMessage, kw_only=True):
    """A key and its value."""

    key: Annotated[str, 1]
    value: Annotated[str, 2]


class Parameters(WireMessage, kw_only=True):
    parameter: Annotated[list[Parameter], 1] = []


class Credential(WireMessage, kw_only=True):
    principal: Annotated[str, 1]
    secret: Annotated[str | None, 2] = None


class Credentials(WireMessage, kw_only=True):
    credentials: Annotated[list[Credential], 1] = []


class Secret(WireMessage, kw_only=True):
    """A secret, by its name in a store or by its value."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        REFERENCE = "REFERENCE", 1
        VALUE = "VALUE", 2

    class Reference(WireMessage, kw_only=True):
        name: Annotated[str, 1]
        key: Annotated[str | None, 2] = None

    class Value(WireMessage, kw_only=True):
        data: Annotated[bytes, 1]

    type: Annotated[Secret.Type | None, 1] = None
    reference: Annotated[Secret.Reference | None, 2] = None
    value: Annotated[Secret.Value | None, 3] = None


class RateLimit(WireMessage, kw_only=True):
    qps: Annotated[float | None, 1] = None
    principal: Annotated[str, 2]
    capacity: Annotated[uint64 | None, 3] = None


class RateLimits(WireMessage, kw_only=True):
    limits: Annotated[list[RateLimit], 1] = []
    aggregate_default_qps: Annotated[float | None, 2] = None
    aggregate_default_capacity: Annotated[uint64 | None, 3] = None


class Image(WireMessage, kw_only=True):
    """The image that a container's file system is made of."""

    class Type(ProtoEnum):
        APPC = "APPC", 1
        DOCKER = "DOCKER", 2

    class Appc(WireMessage, kw_only=True):
        name: Annotated[str, 1]
        id: Annotated[str | None, 2] = None
        labels: Annotated[Labels | None, 3] = None

    class Docker(WireMessage, kw_only=True):
        name: Annotated[str, 1]
        credential: Annotated[Credential | None, Proto(2, deprecated=True)] = None
        config: Annotated[Secret | None, 3] = None

    type: Annotated[Image.Type, 1]
    appc: Annotated[Image.Appc | None, 2] = None
    docker: Annotated[Image.Docker | None, 3] = None
    cached: Annotated[bool, 4] = field(default_factory=lambda: True)


class MountPropagation(WireMessage, kw_only=True):
    class Mode(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        HOST_TO_CONTAINER = "HOST_TO_CONTAINER", 1
        BIDIRECTIONAL = "BIDIRECTIONAL", 2

    mode: Annotated[MountPropagation.Mode | None, 1] = None


class Volume(WireMessage, kw_only=True):
    """A directory that a container sees at `container_path`."""

    class Mode(ProtoEnum):
        RW = "RW", 1
        RO = "RO", 2

    class Source(WireMessage, kw_only=True):
        """Where a volume's directory is."""

        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            DOCKER_VOLUME = "DOCKER_VOLUME", 1
            HOST_PATH = "HOST_PATH", 4
            SANDBOX_PATH = "SANDBOX_PATH", 2
            SECRET = "SECRET", 3
            CSI_VOLUME = "CSI_VOLUME", 5

        class DockerVolume(WireMessage, kw_only=True):
            driver: Annotated[str | None, 1] = None
            name: Annotated[str, 2]
            driver_options: Annotated[Parameters | None, 3] = None

        class HostPath(WireMessage, kw_only=True):
            path: Annotated[str, 1]
            mount_propagation: Annotated[MountPropagation | None, 2] = None

        class SandboxPath(WireMessage, kw_only=True):
            class Type(ProtoEnum):
                UNKNOWN = "UNKNOWN", 0
                SELF = "SELF", 1
                PARENT = "PARENT", 2

            type: Annotated[Volume.Source.SandboxPath.Type | None, 1] = None
            path: Annotated[str, 2]

        class CSIVolume(WireMessage, kw_only=True):
            class VolumeCapability(WireMessage, kw_only=True):
                class BlockVolume(WireMessage, kw_only=True):
                    pass

                class MountVolume(WireMessage, kw_only=True):
                    fs_type: Annotated[str | None, 1] = None
                    mount_flags: Annotated[list[str], 2] = []

                class AccessMode(WireMessage, kw_only=True):
                    class Mode(ProtoEnum):
                        UNKNOWN = "UNKNOWN", 0
                        SINGLE_NODE_WRITER = "SINGLE_NODE_WRITER", 1
                        SINGLE_NODE_READER_ONLY = "SINGLE_NODE_READER_ONLY", 2
                        MULTI_NODE_READER_ONLY = "MULTI_NODE_READER_ONLY", 3
                        MULTI_NODE_SINGLE_WRITER = "MULTI_NODE_SINGLE_WRITER", 4
                        MULTI_NODE_MULTI_WRITER = "MULTI_NODE_MULTI_WRITER", 5

                    mode: Annotated[Volume.Source.CSIVolume.VolumeCapability.AccessMode.Mode, 1]

                block: Annotated[
                    Volume.Source.CSIVolume.VolumeCapability.BlockVolume | None, Proto(1, oneof="access_type")
                ] = None
                mount: Annotated[
                    Volume.Source.CSIVolume.VolumeCapability.MountVolume | None, Proto(2, oneof="access_type")
                ] = None
                access_mode: Annotated[Volume.Source.CSIVolume.VolumeCapability.AccessMode, 3]

                def __post_init__(self) -> None:
                    at_most_one(self.block, self.mount)

            class StaticProvisioning(WireMessage, kw_only=True):
                volume_id: Annotated[str, 1]
                volume_capability: Annotated[Volume.Source.CSIVolume.VolumeCapability, 2]
                node_stage_secrets: Annotated[dict[str, Secret], 3] = {}
                node_publish_secrets: Annotated[dict[str, Secret], 4] = {}
                volume_context: Annotated[dict[str, str], 5] = {}

            plugin_name: Annotated[str, 1]
            static_provisioning: Annotated[Volume.Source.CSIVolume.StaticProvisioning | None, 2] = None

        type: Annotated[Volume.Source.Type | None, 1] = None
        docker_volume: Annotated[Volume.Source.DockerVolume | None, 2] = None
        host_path: Annotated[Volume.Source.HostPath | None, 5] = None
        sandbox_path: Annotated[Volume.Source.SandboxPath | None, 3] = None
        secret: Annotated[Secret | None, 4] = None
        csi_volume: Annotated[Volume.Source.CSIVolume | None, 6] = None

    mode: Annotated[Volume.Mode, 3]
    container_path: Annotated[str, 1]
    host_path: Annotated[str | None, 2] = None
    image: Annotated[Image | None, 4] = None
    source: Annotated[Volume.Source | None, 5] = None


class NetworkInfo(WireMessage, kw_only=True):
    """The network of a container: what is wanted in a ContainerInfo, what it got in a ContainerStatus."""

    class Protocol(ProtoEnum):
        IPv4 = "IPv4", 1
        IPv6 = "IPv6", 2

    class IPAddress(WireMessage, kw_only=True):
        protocol: Annotated[NetworkInfo.Protocol, 1] = field(default_factory=lambda: NetworkInfo.Protocol.IPv4)
        ip_address: Annotated[str | None, 2] = None

    class PortMapping(WireMessage, kw_only=True):
        host_port: Annotated[uint32, 1]
        container_port: Annotated[uint32, 2]
        protocol: Annotated[str | None, 3] = None

    ip_addresses: Annotated[list[NetworkInfo.IPAddress], 5] = []
    name: Annotated[str | None, 6] = None
    groups: Annotated[list[str], 3] = []
    labels: Annotated[Labels | None, 4] = None
    port_mappings: Annotated[list[NetworkInfo.PortMapping], 7] = []


class CapabilityInfo(WireMessage, kw_only=True):
    """Linux capabilities of a process."""

    class Capability(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        CHOWN = "CHOWN", 1000
        DAC_OVERRIDE = "DAC_OVERRIDE", 1001
        DAC_READ_SEARCH = "DAC_READ_SEARCH", 1002
        FOWNER = "FOWNER", 1003
        FSETID = "FSETID", 1004
        KILL = "KILL", 1005
        SETGID = "SETGID", 1006
        SETUID = "SETUID", 1007
        SETPCAP = "SETPCAP", 1008
        LINUX_IMMUTABLE = "LINUX_IMMUTABLE", 1009
        NET_BIND_SERVICE = "NET_BIND_SERVICE", 1010
        NET_BROADCAST = "NET_BROADCAST", 1011
        NET_ADMIN = "NET_ADMIN", 1012
        NET_RAW = "NET_RAW", 1013
        IPC_LOCK = "IPC_LOCK", 1014
        IPC_OWNER = "IPC_OWNER", 1015
        SYS_MODULE = "SYS_MODULE", 1016
        SYS_RAWIO = "SYS_RAWIO", 1017
        SYS_CHROOT = "SYS_CHROOT", 1018
        SYS_PTRACE = "SYS_PTRACE", 1019
        SYS_PACCT = "SYS_PACCT", 1020
        SYS_ADMIN = "SYS_ADMIN", 1021
        SYS_BOOT = "SYS_BOOT", 1022
        SYS_NICE = "SYS_NICE", 1023
        SYS_RESOURCE = "SYS_RESOURCE", 1024
        SYS_TIME = "SYS_TIME", 1025
        SYS_TTY_CONFIG = "SYS_TTY_CONFIG", 1026
        MKNOD = "MKNOD", 1027
        LEASE = "LEASE", 1028
        AUDIT_WRITE = "AUDIT_WRITE", 1029
        AUDIT_CONTROL = "AUDIT_CONTROL", 1030
        SETFCAP = "SETFCAP", 1031
        MAC_OVERRIDE = "MAC_OVERRIDE", 1032
        MAC_ADMIN = "MAC_ADMIN", 1033
        SYSLOG = "SYSLOG", 1034
        WAKE_ALARM = "WAKE_ALARM", 1035
        BLOCK_SUSPEND = "BLOCK_SUSPEND", 1036
        AUDIT_READ = "AUDIT_READ", 1037
        PERFMON = "PERFMON", 1038
        BPF = "BPF", 1039
        CHECKPOINT_RESTORE = "CHECKPOINT_RESTORE", 1040

    capabilities: Annotated[list[CapabilityInfo.Capability], 1] = []


class SeccompInfo(WireMessage, kw_only=True):
    profile_name: Annotated[str | None, 1] = None
    unconfined: Annotated[bool | None, 2] = None


class LinuxInfo(WireMessage, kw_only=True):
    """What only containers on Linux have."""

    class IpcMode(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        PRIVATE = "PRIVATE", 1
        SHARE_PARENT = "SHARE_PARENT", 2

    capability_info: Annotated[CapabilityInfo | None, Proto(1, deprecated=True)] = None
    bounding_capabilities: Annotated[CapabilityInfo | None, 2] = None
    effective_capabilities: Annotated[CapabilityInfo | None, 3] = None
    share_pid_namespace: Annotated[bool | None, 4] = None
    seccomp: Annotated[SeccompInfo | None, 5] = None
    ipc_mode: Annotated[LinuxInfo.IpcMode | None, 6] = None
    shm_size: Annotated[uint32 | None, 7] = None
    share_cgroups: Annotated[bool, 8] = field(default_factory=lambda: True)


class RLimitInfo(WireMessage, kw_only=True):
    """Limits of a process, as setrlimit(2) knows them; without `hard` and `soft` there is none."""

    class RLimit(WireMessage, kw_only=True):
        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            RLMT_AS = "RLMT_AS", 1
            RLMT_CORE = "RLMT_CORE", 2
            RLMT_CPU = "RLMT_CPU", 3
            RLMT_DATA = "RLMT_DATA", 4
            RLMT_FSIZE = "RLMT_FSIZE", 5
            RLMT_LOCKS = "RLMT_LOCKS", 6
            RLMT_MEMLOCK = "RLMT_MEMLOCK", 7
            RLMT_MSGQUEUE = "RLMT_MSGQUEUE", 8
            RLMT_NICE = "RLMT_NICE", 9
            RLMT_NOFILE = "RLMT_NOFILE", 10
            RLMT_NPROC = "RLMT_NPROC", 11
            RLMT_RSS = "RLMT_RSS", 12
            RLMT_RTPRIO = "RLMT_RTPRIO", 13
            RLMT_RTTIME = "RLMT_RTTIME", 14
            RLMT_SIGPENDING = "RLMT_SIGPENDING", 15
            RLMT_STACK = "RLMT_STACK", 16

        type: Annotated[RLimitInfo.RLimit.Type | None, 1] = None
        hard: Annotated[uint64 | None, 2] = None
        soft: Annotated[uint64 | None, 3] = None

    rlimits: Annotated[list[RLimitInfo.RLimit], 1] = []


class TTYInfo(WireMessage, kw_only=True):
    """A terminal for a container, and its size."""

    class WindowSize(WireMessage, kw_only=True):
        rows: Annotated[uint32, 1]
        columns: Annotated[uint32, 2]

    window_size: Annotated[TTYInfo.WindowSize | None, 1] = None


class ContainerInfo(WireMessage, kw_only=True):
    """How a container is made."""

    class Type(ProtoEnum):
        DOCKER = "DOCKER", 1
        MESOS = "MESOS", 2

    class DockerInfo(WireMessage, kw_only=True):
        """A container that Docker runs."""

        class Network(ProtoEnum):
            HOST = "HOST", 1
            BRIDGE = "BRIDGE", 2
            NONE = "NONE", 3
            USER = "USER", 4

        class PortMapping(WireMessage, kw_only=True):
            host_port: Annotated[uint32, 1]
            container_port: Annotated[uint32, 2]
            protocol: Annotated[str | None, 3] = None

        image: Annotated[str, 1]
        network: Annotated[ContainerInfo.DockerInfo.Network, 2] = field(
            default_factory=lambda: ContainerInfo.DockerInfo.Network.HOST
        )
        port_mappings: Annotated[list[ContainerInfo.DockerInfo.PortMapping], 3] = []
        privileged: Annotated[bool, 4] = field(default_factory=bool)
        parameters: Annotated[list[Parameter], 5] = []
        force_pull_image: Annotated[bool | None, 6] = None
        volume_driver: Annotated[str | None, Proto(7, deprecated=True)] = None

    class MesosInfo(WireMessage, kw_only=True):
        """A container that the agent runs itself."""

        image: Annotated[Image | None, 1] = None

    type: Annotated[ContainerInfo.Type, 1]
    volumes: Annotated[list[Volume], 2] = []
    hostname: Annotated[str | None, 4] = None
    docker: Annotated[ContainerInfo.DockerInfo | None, 3] = None
    mesos: Annotated[ContainerInfo.MesosInfo | None, 5] = None
    network_infos: Annotated[list[NetworkInfo], 7] = []
    linux_info: Annotated[LinuxInfo | None, 8] = None
    rlimit_info: Annotated[RLimitInfo | None, 9] = None
    tty_info: Annotated[TTYInfo | None, 10] = None


class ContainerStatus(WireMessage, kw_only=True):
    """What is to know about a running container."""

    container_id: Annotated[ContainerID | None, 4] = None
    network_infos: Annotated[list[NetworkInfo], 1] = []
    cgroup_info: Annotated[CgroupInfo | None, 2] = None
    executor_pid: Annotated[uint32 | None, 3] = None


class CgroupInfo(WireMessage, kw_only=True):
    """What the agent's control groups say about a container."""

    class Blkio(WireMessage, kw_only=True):
        class Operation(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            TOTAL = "TOTAL", 1
            READ = "READ", 2
            WRITE = "WRITE", 3
            SYNC = "SYNC", 4
            ASYNC = "ASYNC", 5
            DISCARD = "DISCARD", 6

        class Value(WireMessage, kw_only=True):
            op: Annotated[CgroupInfo.Blkio.Operation | None, 1] = None
            value: Annotated[uint64 | None, 2] = None

        class CFQ(WireMessage, kw_only=True):
            class Statistics(WireMessage, kw_only=True):
                device: Annotated[Device.Number | None, 1] = None
                sectors: Annotated[uint64 | None, 2] = None
                time: Annotated[uint64 | None, 3] = None
                io_serviced: Annotated[list[CgroupInfo.Blkio.Value], 4] = []
                io_service_bytes: Annotated[list[CgroupInfo.Blkio.Value], 5] = []
                io_service_time: Annotated[list[CgroupInfo.Blkio.Value], 6] = []
                io_wait_time: Annotated[list[CgroupInfo.Blkio.Value], 7] = []
                io_merged: Annotated[list[CgroupInfo.Blkio.Value], 8] = []
                io_queued: Annotated[list[CgroupInfo.Blkio.Value], 9] = []

        class Throttling(WireMessage, kw_only=True):
            class Statistics(WireMessage, kw_only=True):
                device: Annotated[Device.Number | None, 1] = None
                io_serviced: Annotated[list[CgroupInfo.Blkio.Value], 2] = []
                io_service_bytes: Annotated[list[CgroupInfo.Blkio.Value], 3] = []

        class Statistics(WireMessage, kw_only=True):
            cfq: Annotated[list[CgroupInfo.Blkio.CFQ.Statistics], 1] = []
            cfq_recursive: Annotated[list[CgroupInfo.Blkio.CFQ.Statistics], 2] = []
            throttling: Annotated[list[CgroupInfo.Blkio.Throttling.Statistics], 3] = []

    class NetCls(WireMessage, kw_only=True):
        classid: Annotated[uint32 | None, 1] = None

    net_cls: Annotated[CgroupInfo.NetCls | None, 1] = None


class Labels(WireMessage, kw_only=True):
    """Texts that people and tools attach to things; nothing here acts on them."""

    labels: Annotated[list[Label], 1] = []


class Label(WireMessage, kw_only=True):
    key: Annotated[str, 1]
    value: Annotated[str | None, 2] = None


class Port(WireMessage, kw_only=True):
    number: Annotated[uint32, 1]
    name: Annotated[str | None, 2] = None
    protocol: Annotated[str | None, 3] = None
    visibility: Annotated[DiscoveryInfo.Visibility | None, 4] = None
    labels: Annotated[Labels | None, 5] = None


class Ports(WireMessage, kw_only=True):
    ports: Annotated[list[Port], 1] = []


class DiscoveryInfo(WireMessage, kw_only=True):
    """How others find a task or an executor; handed on to tools for service discovery."""

    class Visibility(ProtoEnum):
        FRAMEWORK = "FRAMEWORK", 0
        CLUSTER = "CLUSTER", 1
        EXTERNAL = "EXTERNAL", 2

    visibility: Annotated[DiscoveryInfo.Visibility, 1]
    name: Annotated[str | None, 2] = None
    environment: Annotated[str | None, 3] = None
    location: Annotated[str | None, 4] = None
    version: Annotated[str | None, 5] = None
    ports: Annotated[Ports | None, 6] = None
    labels: Annotated[Labels | None, 7] = None


class WeightInfo(WireMessage, kw_only=True):
    """How much of the cluster a role should get compared to others, which have 1."""

    weight: Annotated[float, 1]
    role: Annotated[str | None, 2] = None


class VersionInfo(WireMessage, kw_only=True):
    version: Annotated[str, 1]
    build_date: Annotated[str | None, 2] = None
    build_time: Annotated[float | None, 3] = None
    build_user: Annotated[str | None, 4] = None
    git_sha: Annotated[str | None, 5] = None
    git_branch: Annotated[str | None, 6] = None
    git_tag: Annotated[str | None, 7] = None


class Flag(WireMessage, kw_only=True):
    name: Annotated[str, 1]
    value: Annotated[str | None, 2] = None


class Role(WireMessage, kw_only=True):
    """A role, its weight, its frameworks, and what they hold."""

    name: Annotated[str, 1]
    weight: Annotated[float, 2]
    frameworks: Annotated[list[FrameworkID], 3] = []
    resources: Annotated[list[Resource], 4] = []


class Metric(WireMessage, kw_only=True):
    """A named number, as of now."""

    name: Annotated[str, 1]
    value: Annotated[float | None, 2] = None


class FileInfo(WireMessage, kw_only=True):
    """A file in a sandbox or a log directory."""

    path: Annotated[str, 1]
    nlink: Annotated[int32 | None, 2] = None
    size: Annotated[uint64 | None, 3] = None
    mtime: Annotated[TimeInfo | None, 4] = None
    mode: Annotated[uint32 | None, 5] = None
    uid: Annotated[str | None, 6] = None
    gid: Annotated[str | None, 7] = None


class Device(WireMessage, kw_only=True):
    class Number(WireMessage, kw_only=True):
        major_number: Annotated[uint64, 1]
        minor_number: Annotated[uint64, 2]

    path: Annotated[str | None, 1] = None
    number: Annotated[Device.Number | None, 2] = None


class DeviceAccess(WireMessage, kw_only=True):
    class Access(WireMessage, kw_only=True):
        read: Annotated[bool | None, 1] = None
        write: Annotated[bool | None, 2] = None
        mknod: Annotated[bool | None, 3] = None

    device: Annotated[Device, 1]
    access: Annotated[DeviceAccess.Access, 2]


class DeviceWhitelist(WireMessage, kw_only=True):
    allowed_devices: Annotated[list[DeviceAccess], 1] = []


class DrainConfig(WireMessage, kw_only=True):
    """How an agent is to be emptied: how long tasks may take to end, and whether it is gone for good then."""

    max_grace_period: Annotated[DurationInfo | None, 1] = None
    mark_gone: Annotated[bool, 2] = field(default_factory=bool)


class DrainInfo(WireMessage, kw_only=True):
    """How far the emptying of an agent is."""

    state: Annotated[DrainState, 1]
    config: Annotated[DrainConfig, 2]


class Status(ProtoEnum):
    DRIVER_NOT_STARTED = "DRIVER_NOT_STARTED", 1
    DRIVER_RUNNING = "DRIVER_RUNNING", 2
    DRIVER_ABORTED = "DRIVER_ABORTED", 3
    DRIVER_STOPPED = "DRIVER_STOPPED", 4


class TaskState(ProtoEnum):
    """The states of a task. Those from FINISHED on are final, except UNREACHABLE and UNKNOWN.

    Zero is STARTING, not an unknown state; the protobuf default is STAGING.
    """

    TASK_STAGING = "TASK_STAGING", 6
    TASK_STARTING = "TASK_STARTING", 0
    TASK_RUNNING = "TASK_RUNNING", 1
    TASK_KILLING = "TASK_KILLING", 8
    TASK_FINISHED = "TASK_FINISHED", 2
    TASK_FAILED = "TASK_FAILED", 3
    TASK_KILLED = "TASK_KILLED", 4
    TASK_ERROR = "TASK_ERROR", 7
    TASK_LOST = "TASK_LOST", 5
    TASK_DROPPED = "TASK_DROPPED", 9
    TASK_UNREACHABLE = "TASK_UNREACHABLE", 10
    TASK_GONE = "TASK_GONE", 11
    TASK_GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR", 12
    TASK_UNKNOWN = "TASK_UNKNOWN", 13


class OperationState(ProtoEnum):
    """The states of an operation."""

    OPERATION_UNSUPPORTED = "OPERATION_UNSUPPORTED", 0
    OPERATION_PENDING = "OPERATION_PENDING", 1
    OPERATION_FINISHED = "OPERATION_FINISHED", 2
    OPERATION_FAILED = "OPERATION_FAILED", 3
    OPERATION_ERROR = "OPERATION_ERROR", 4
    OPERATION_DROPPED = "OPERATION_DROPPED", 5
    OPERATION_UNREACHABLE = "OPERATION_UNREACHABLE", 6
    OPERATION_GONE_BY_OPERATOR = "OPERATION_GONE_BY_OPERATOR", 7
    OPERATION_RECOVERING = "OPERATION_RECOVERING", 8
    OPERATION_UNKNOWN = "OPERATION_UNKNOWN", 9


class DrainState(ProtoEnum):
    UNKNOWN = "UNKNOWN", 0
    DRAINING = "DRAINING", 1
    DRAINED = "DRAINED", 2
