"""The operator API of the master. Package mesos.v1.master."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from tepui.model.message import Proto, ProtoEnum, WireMessage, uint32, uint64
from tepui.model.v1.google import Duration
from tepui.model.v1.maintenance import ClusterStatus, Schedule
from tepui.model.v1.mesos import (
    AgentID,
    AgentInfo,
    DrainInfo,
    DurationInfo,
    ExecutorInfo,
    FileInfo,
    Flag,
    FrameworkID,
    FrameworkInfo,
    InverseOffer,
    MachineID,
    MasterInfo,
    Metric,
    Offer,
    Operation,
    Resource,
    ResourceProviderInfo,
    Role,
    Task,
    TaskState,
    TaskStatus,
    TimeInfo,
    Value,
    VersionInfo,
    WeightInfo,
)
from tepui.model.v1.quota import QuotaConfig, QuotaRequest, QuotaStatus
from tepui.model.v1.scheduler import OfferConstraints


class Call(WireMessage, kw_only=True):
    """What an operator asks of the master; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        GET_HEALTH = "GET_HEALTH", 1
        GET_FLAGS = "GET_FLAGS", 2
        GET_VERSION = "GET_VERSION", 3
        GET_METRICS = "GET_METRICS", 4
        GET_LOGGING_LEVEL = "GET_LOGGING_LEVEL", 5
        SET_LOGGING_LEVEL = "SET_LOGGING_LEVEL", 6
        LIST_FILES = "LIST_FILES", 7
        READ_FILE = "READ_FILE", 8
        GET_STATE = "GET_STATE", 9
        GET_AGENTS = "GET_AGENTS", 10
        GET_FRAMEWORKS = "GET_FRAMEWORKS", 11
        GET_EXECUTORS = "GET_EXECUTORS", 12
        GET_OPERATIONS = "GET_OPERATIONS", 33
        GET_TASKS = "GET_TASKS", 13
        GET_ROLES = "GET_ROLES", 14
        GET_WEIGHTS = "GET_WEIGHTS", 15
        UPDATE_WEIGHTS = "UPDATE_WEIGHTS", 16
        GET_MASTER = "GET_MASTER", 17
        SUBSCRIBE = "SUBSCRIBE", 18
        RESERVE_RESOURCES = "RESERVE_RESOURCES", 19
        UNRESERVE_RESOURCES = "UNRESERVE_RESOURCES", 20
        CREATE_VOLUMES = "CREATE_VOLUMES", 21
        DESTROY_VOLUMES = "DESTROY_VOLUMES", 22
        GROW_VOLUME = "GROW_VOLUME", 34
        SHRINK_VOLUME = "SHRINK_VOLUME", 35
        GET_MAINTENANCE_STATUS = "GET_MAINTENANCE_STATUS", 23
        GET_MAINTENANCE_SCHEDULE = "GET_MAINTENANCE_SCHEDULE", 24
        UPDATE_MAINTENANCE_SCHEDULE = "UPDATE_MAINTENANCE_SCHEDULE", 25
        START_MAINTENANCE = "START_MAINTENANCE", 26
        STOP_MAINTENANCE = "STOP_MAINTENANCE", 27
        DRAIN_AGENT = "DRAIN_AGENT", 37
        DEACTIVATE_AGENT = "DEACTIVATE_AGENT", 38
        REACTIVATE_AGENT = "REACTIVATE_AGENT", 39
        GET_QUOTA = "GET_QUOTA", 28
        UPDATE_QUOTA = "UPDATE_QUOTA", 36
        SET_QUOTA = "SET_QUOTA", 29
        REMOVE_QUOTA = "REMOVE_QUOTA", 30
        TEARDOWN = "TEARDOWN", 31
        MARK_AGENT_GONE = "MARK_AGENT_GONE", 32

    class GetMetrics(WireMessage, kw_only=True):
        timeout: Annotated[DurationInfo | None, 1] = None

    class SetLoggingLevel(WireMessage, kw_only=True):
        level: Annotated[uint32, 1]
        duration: Annotated[DurationInfo, 2]

    class ListFiles(WireMessage, kw_only=True):
        path: Annotated[str, 1]

    class ReadFile(WireMessage, kw_only=True):
        path: Annotated[str, 1]
        offset: Annotated[uint64, 2]
        length: Annotated[uint64 | None, 3] = None

    class UpdateWeights(WireMessage, kw_only=True):
        weight_infos: Annotated[list[WeightInfo], 1] = []

    class ReserveResources(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]
        source: Annotated[list[Resource], 3] = []
        resources: Annotated[list[Resource], 2] = []

    class UnreserveResources(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]
        resources: Annotated[list[Resource], 2] = []

    class CreateVolumes(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]
        volumes: Annotated[list[Resource], 2] = []

    class DestroyVolumes(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]
        volumes: Annotated[list[Resource], 2] = []

    class GrowVolume(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID | None, 1] = None
        volume: Annotated[Resource, 2]
        addition: Annotated[Resource, 3]

    class ShrinkVolume(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID | None, 1] = None
        volume: Annotated[Resource, 2]
        subtract: Annotated[Value.Scalar, 3]

    class UpdateMaintenanceSchedule(WireMessage, kw_only=True):
        """Replace the whole schedule."""

        schedule: Annotated[Schedule, 1]

    class StartMaintenance(WireMessage, kw_only=True):
        machines: Annotated[list[MachineID], 1] = []

    class StopMaintenance(WireMessage, kw_only=True):
        machines: Annotated[list[MachineID], 1] = []

    class DrainAgent(WireMessage, kw_only=True):
        """Empty an agent: offer nothing of it and kill its tasks."""

        agent_id: Annotated[AgentID, 1]
        max_grace_period: Annotated[Duration | None, 2] = None
        mark_gone: Annotated[bool, 3] = field(default_factory=bool)

    class DeactivateAgent(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]

    class ReactivateAgent(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]

    class UpdateQuota(WireMessage, kw_only=True):
        force: Annotated[bool | None, 1] = None
        quota_configs: Annotated[list[QuotaConfig], 2] = []

    class SetQuota(WireMessage, kw_only=True):
        quota_request: Annotated[QuotaRequest, 1]

    class RemoveQuota(WireMessage, kw_only=True):
        role: Annotated[str, 1]

    class Teardown(WireMessage, kw_only=True):
        framework_id: Annotated[FrameworkID, 1]

    class MarkAgentGone(WireMessage, kw_only=True):
        """An agent will never come back; its tasks are gone with it."""

        agent_id: Annotated[AgentID, 1]

    type: Annotated[Call.Type | None, 1] = None
    get_metrics: Annotated[Call.GetMetrics | None, 2] = None
    set_logging_level: Annotated[Call.SetLoggingLevel | None, 3] = None
    list_files: Annotated[Call.ListFiles | None, 4] = None
    read_file: Annotated[Call.ReadFile | None, 5] = None
    update_weights: Annotated[Call.UpdateWeights | None, 6] = None
    reserve_resources: Annotated[Call.ReserveResources | None, 7] = None
    unreserve_resources: Annotated[Call.UnreserveResources | None, 8] = None
    create_volumes: Annotated[Call.CreateVolumes | None, 9] = None
    destroy_volumes: Annotated[Call.DestroyVolumes | None, 10] = None
    grow_volume: Annotated[Call.GrowVolume | None, 18] = None
    shrink_volume: Annotated[Call.ShrinkVolume | None, 19] = None
    update_maintenance_schedule: Annotated[Call.UpdateMaintenanceSchedule | None, 11] = None
    start_maintenance: Annotated[Call.StartMaintenance | None, 12] = None
    stop_maintenance: Annotated[Call.StopMaintenance | None, 13] = None
    drain_agent: Annotated[Call.DrainAgent | None, 21] = None
    deactivate_agent: Annotated[Call.DeactivateAgent | None, 22] = None
    reactivate_agent: Annotated[Call.ReactivateAgent | None, 23] = None
    update_quota: Annotated[Call.UpdateQuota | None, 20] = None
    teardown: Annotated[Call.Teardown | None, 16] = None
    mark_agent_gone: Annotated[Call.MarkAgentGone | None, 17] = None
    set_quota: Annotated[Call.SetQuota | None, Proto(14, deprecated=True)] = None
    remove_quota: Annotated[Call.RemoveQuota | None, Proto(15, deprecated=True)] = None


class Response(WireMessage, kw_only=True):
    """What the master answers to an operator; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        GET_HEALTH = "GET_HEALTH", 1
        GET_FLAGS = "GET_FLAGS", 2
        GET_VERSION = "GET_VERSION", 3
        GET_METRICS = "GET_METRICS", 4
        GET_LOGGING_LEVEL = "GET_LOGGING_LEVEL", 5
        LIST_FILES = "LIST_FILES", 6
        READ_FILE = "READ_FILE", 7
        GET_STATE = "GET_STATE", 8
        GET_AGENTS = "GET_AGENTS", 9
        GET_FRAMEWORKS = "GET_FRAMEWORKS", 10
        GET_EXECUTORS = "GET_EXECUTORS", 11
        GET_OPERATIONS = "GET_OPERATIONS", 19
        GET_TASKS = "GET_TASKS", 12
        GET_ROLES = "GET_ROLES", 13
        GET_WEIGHTS = "GET_WEIGHTS", 14
        GET_MASTER = "GET_MASTER", 15
        GET_MAINTENANCE_STATUS = "GET_MAINTENANCE_STATUS", 16
        GET_MAINTENANCE_SCHEDULE = "GET_MAINTENANCE_SCHEDULE", 17
        GET_QUOTA = "GET_QUOTA", 18

    class GetHealth(WireMessage, kw_only=True):
        healthy: Annotated[bool, 1]

    class GetFlags(WireMessage, kw_only=True):
        flags: Annotated[list[Flag], 1] = []

    class GetVersion(WireMessage, kw_only=True):
        version_info: Annotated[VersionInfo, 1]

    class GetMetrics(WireMessage, kw_only=True):
        metrics: Annotated[list[Metric], 1] = []

    class GetLoggingLevel(WireMessage, kw_only=True):
        level: Annotated[uint32, 1]

    class ListFiles(WireMessage, kw_only=True):
        file_infos: Annotated[list[FileInfo], 1] = []

    class ReadFile(WireMessage, kw_only=True):
        size: Annotated[uint64, 1]
        data: Annotated[bytes, 2]

    class GetState(WireMessage, kw_only=True):
        """Tasks, executors, frameworks and agents together."""

        get_tasks: Annotated[Response.GetTasks | None, 1] = None
        get_executors: Annotated[Response.GetExecutors | None, 2] = None
        get_frameworks: Annotated[Response.GetFrameworks | None, 3] = None
        get_agents: Annotated[Response.GetAgents | None, 4] = None

    class GetAgents(WireMessage, kw_only=True):
        """Agents that are registered, and those known from before that are not back yet."""

        class Agent(WireMessage, kw_only=True):
            class ResourceProvider(WireMessage, kw_only=True):
                resource_provider_info: Annotated[ResourceProviderInfo, 1]
                total_resources: Annotated[list[Resource], 2] = []

            agent_info: Annotated[AgentInfo, 1]
            active: Annotated[bool, 2]
            deactivated: Annotated[bool | None, 12] = None
            version: Annotated[str, 3]
            pid: Annotated[str | None, 4] = None
            registered_time: Annotated[TimeInfo | None, 5] = None
            reregistered_time: Annotated[TimeInfo | None, 6] = None
            total_resources: Annotated[list[Resource], 7] = []
            allocated_resources: Annotated[list[Resource], 8] = []
            offered_resources: Annotated[list[Resource], 9] = []
            capabilities: Annotated[list[AgentInfo.Capability], 10] = []
            resource_providers: Annotated[list[Response.GetAgents.Agent.ResourceProvider], 11] = []
            drain_info: Annotated[DrainInfo | None, 13] = None
            estimated_drain_start_time: Annotated[TimeInfo | None, 14] = None

        agents: Annotated[list[Response.GetAgents.Agent], 1] = []
        recovered_agents: Annotated[list[AgentInfo], 2] = []

    class GetFrameworks(WireMessage, kw_only=True):
        class Framework(WireMessage, kw_only=True):
            """A framework; `active` ones get offers, `connected` ones have their stream open."""

            framework_info: Annotated[FrameworkInfo, 1]
            active: Annotated[bool, 2]
            connected: Annotated[bool, 3]
            recovered: Annotated[bool, 11]
            registered_time: Annotated[TimeInfo | None, 4] = None
            reregistered_time: Annotated[TimeInfo | None, 5] = None
            unregistered_time: Annotated[TimeInfo | None, 6] = None
            offers: Annotated[list[Offer], 7] = []
            inverse_offers: Annotated[list[InverseOffer], 8] = []
            allocated_resources: Annotated[list[Resource], 9] = []
            offered_resources: Annotated[list[Resource], 10] = []
            offer_constraints: Annotated[OfferConstraints | None, 12] = None

        frameworks: Annotated[list[Response.GetFrameworks.Framework], 1] = []
        completed_frameworks: Annotated[list[Response.GetFrameworks.Framework], 2] = []
        recovered_frameworks: Annotated[list[FrameworkInfo], Proto(3, deprecated=True)] = []

    class GetExecutors(WireMessage, kw_only=True):
        class Executor(WireMessage, kw_only=True):
            executor_info: Annotated[ExecutorInfo, 1]
            agent_id: Annotated[AgentID, 2]

        executors: Annotated[list[Response.GetExecutors.Executor], 1] = []
        orphan_executors: Annotated[list[Response.GetExecutors.Executor], Proto(2, deprecated=True)] = []

    class GetOperations(WireMessage, kw_only=True):
        operations: Annotated[list[Operation], 1] = []

    class GetTasks(WireMessage, kw_only=True):
        pending_tasks: Annotated[list[Task], Proto(1, deprecated=True)] = []
        tasks: Annotated[list[Task], 2] = []
        unreachable_tasks: Annotated[list[Task], 5] = []
        completed_tasks: Annotated[list[Task], 3] = []
        orphan_tasks: Annotated[list[Task], Proto(4, deprecated=True)] = []

    class GetRoles(WireMessage, kw_only=True):
        roles: Annotated[list[Role], 1] = []

    class GetWeights(WireMessage, kw_only=True):
        weight_infos: Annotated[list[WeightInfo], 1] = []

    class GetMaster(WireMessage, kw_only=True):
        master_info: Annotated[MasterInfo | None, 1] = None
        start_time: Annotated[float | None, 2] = None
        elected_time: Annotated[float | None, 3] = None

    class GetMaintenanceStatus(WireMessage, kw_only=True):
        status: Annotated[ClusterStatus, 1]

    class GetMaintenanceSchedule(WireMessage, kw_only=True):
        schedule: Annotated[Schedule, 1]

    class GetQuota(WireMessage, kw_only=True):
        status: Annotated[QuotaStatus, 1]

    type: Annotated[Response.Type | None, 1] = None
    get_health: Annotated[Response.GetHealth | None, 2] = None
    get_flags: Annotated[Response.GetFlags | None, 3] = None
    get_version: Annotated[Response.GetVersion | None, 4] = None
    get_metrics: Annotated[Response.GetMetrics | None, 5] = None
    get_logging_level: Annotated[Response.GetLoggingLevel | None, 6] = None
    list_files: Annotated[Response.ListFiles | None, 7] = None
    read_file: Annotated[Response.ReadFile | None, 8] = None
    get_state: Annotated[Response.GetState | None, 9] = None
    get_agents: Annotated[Response.GetAgents | None, 10] = None
    get_frameworks: Annotated[Response.GetFrameworks | None, 11] = None
    get_executors: Annotated[Response.GetExecutors | None, 12] = None
    get_operations: Annotated[Response.GetOperations | None, 20] = None
    get_tasks: Annotated[Response.GetTasks | None, 13] = None
    get_roles: Annotated[Response.GetRoles | None, 14] = None
    get_weights: Annotated[Response.GetWeights | None, 15] = None
    get_master: Annotated[Response.GetMaster | None, 16] = None
    get_maintenance_status: Annotated[Response.GetMaintenanceStatus | None, 17] = None
    get_maintenance_schedule: Annotated[Response.GetMaintenanceSchedule | None, 18] = None
    get_quota: Annotated[Response.GetQuota | None, 19] = None


class Event(WireMessage, kw_only=True):
    """What the master tells an operator on a stream; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBED = "SUBSCRIBED", 1
        TASK_ADDED = "TASK_ADDED", 2
        TASK_UPDATED = "TASK_UPDATED", 3
        AGENT_ADDED = "AGENT_ADDED", 4
        AGENT_REMOVED = "AGENT_REMOVED", 5
        FRAMEWORK_ADDED = "FRAMEWORK_ADDED", 6
        FRAMEWORK_UPDATED = "FRAMEWORK_UPDATED", 7
        FRAMEWORK_REMOVED = "FRAMEWORK_REMOVED", 8
        HEARTBEAT = "HEARTBEAT", 9

    class Subscribed(WireMessage, kw_only=True):
        """The first event: the state from which the following events go on."""

        get_state: Annotated[Response.GetState | None, 1] = None
        heartbeat_interval_seconds: Annotated[float | None, 2] = None

    class TaskAdded(WireMessage, kw_only=True):
        task: Annotated[Task, 1]

    class TaskUpdated(WireMessage, kw_only=True):
        """`status` is the update under way, `state` the latest state that the agent knows."""

        framework_id: Annotated[FrameworkID, 1]
        status: Annotated[TaskStatus, 2]
        state: Annotated[TaskState, 3]

    class FrameworkAdded(WireMessage, kw_only=True):
        framework: Annotated[Response.GetFrameworks.Framework, 1]

    class FrameworkUpdated(WireMessage, kw_only=True):
        framework: Annotated[Response.GetFrameworks.Framework, 1]

    class FrameworkRemoved(WireMessage, kw_only=True):
        framework_info: Annotated[FrameworkInfo, 1]

    class AgentAdded(WireMessage, kw_only=True):
        agent: Annotated[Response.GetAgents.Agent, 1]

    class AgentRemoved(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID, 1]

    type: Annotated[Event.Type | None, 1] = None
    subscribed: Annotated[Event.Subscribed | None, 2] = None
    task_added: Annotated[Event.TaskAdded | None, 3] = None
    task_updated: Annotated[Event.TaskUpdated | None, 4] = None
    agent_added: Annotated[Event.AgentAdded | None, 5] = None
    agent_removed: Annotated[Event.AgentRemoved | None, 6] = None
    framework_added: Annotated[Event.FrameworkAdded | None, 7] = None
    framework_updated: Annotated[Event.FrameworkUpdated | None, 8] = None
    framework_removed: Annotated[Event.FrameworkRemoved | None, 9] = None
