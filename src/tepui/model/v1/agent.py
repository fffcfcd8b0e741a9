"""The operator API of the agent. Package mesos.v1.agent."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import Proto, ProtoEnum, WireMessage, int32, uint32, uint64
from tepui.model.v1.mesos import (
    AgentInfo,
    CommandInfo,
    ContainerID,
    ContainerInfo,
    ContainerStatus,
    DrainConfig,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FileInfo,
    Flag,
    FrameworkID,
    FrameworkInfo,
    Image,
    Metric,
    Operation,
    Resource,
    ResourceProviderID,
    ResourceProviderInfo,
    ResourceStatistics,
    Task,
    TaskResourceLimitation,
    TaskState,
    TaskStatus,
    TimeInfo,
    TTYInfo,
    Value,
    VersionInfo,
)


class Call(WireMessage, kw_only=True):
    """What an operator asks of an agent; the member named like `type` is set."""

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
        GET_CONTAINERS = "GET_CONTAINERS", 10
        GET_FRAMEWORKS = "GET_FRAMEWORKS", 11
        GET_EXECUTORS = "GET_EXECUTORS", 12
        GET_OPERATIONS = "GET_OPERATIONS", 31
        GET_TASKS = "GET_TASKS", 13
        GET_AGENT = "GET_AGENT", 20
        GET_RESOURCE_PROVIDERS = "GET_RESOURCE_PROVIDERS", 26
        LAUNCH_NESTED_CONTAINER = "LAUNCH_NESTED_CONTAINER", 14
        WAIT_NESTED_CONTAINER = "WAIT_NESTED_CONTAINER", 15
        KILL_NESTED_CONTAINER = "KILL_NESTED_CONTAINER", 16
        REMOVE_NESTED_CONTAINER = "REMOVE_NESTED_CONTAINER", 21
        LAUNCH_NESTED_CONTAINER_SESSION = "LAUNCH_NESTED_CONTAINER_SESSION", 17
        ATTACH_CONTAINER_INPUT = "ATTACH_CONTAINER_INPUT", 18
        ATTACH_CONTAINER_OUTPUT = "ATTACH_CONTAINER_OUTPUT", 19
        LAUNCH_CONTAINER = "LAUNCH_CONTAINER", 22
        WAIT_CONTAINER = "WAIT_CONTAINER", 23
        KILL_CONTAINER = "KILL_CONTAINER", 24
        REMOVE_CONTAINER = "REMOVE_CONTAINER", 25
        ADD_RESOURCE_PROVIDER_CONFIG = "ADD_RESOURCE_PROVIDER_CONFIG", 27
        UPDATE_RESOURCE_PROVIDER_CONFIG = "UPDATE_RESOURCE_PROVIDER_CONFIG", 28
        REMOVE_RESOURCE_PROVIDER_CONFIG = "REMOVE_RESOURCE_PROVIDER_CONFIG", 29
        MARK_RESOURCE_PROVIDER_GONE = "MARK_RESOURCE_PROVIDER_GONE", 32
        PRUNE_IMAGES = "PRUNE_IMAGES", 30

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

    class GetContainers(WireMessage, kw_only=True):
        show_nested: Annotated[bool | None, 1] = None
        show_standalone: Annotated[bool | None, 2] = None

    class LaunchNestedContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]
        command: Annotated[CommandInfo | None, 2] = None
        container: Annotated[ContainerInfo | None, 3] = None

    class WaitNestedContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]

    class KillNestedContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]
        signal: Annotated[int32 | None, 2] = None

    class RemoveNestedContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]

    class LaunchNestedContainerSession(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]
        command: Annotated[CommandInfo | None, 2] = None
        container: Annotated[ContainerInfo | None, 3] = None

    class AttachContainerInput(WireMessage, kw_only=True):
        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            CONTAINER_ID = "CONTAINER_ID", 1
            PROCESS_IO = "PROCESS_IO", 2

        type: Annotated[Call.AttachContainerInput.Type | None, 1] = None
        container_id: Annotated[ContainerID | None, 2] = None
        process_io: Annotated[ProcessIO | None, 3] = None

    class AttachContainerOutput(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]

    class LaunchContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]
        command: Annotated[CommandInfo | None, 2] = None
        resources: Annotated[list[Resource], 3] = []
        container: Annotated[ContainerInfo | None, 4] = None
        limits: Annotated[dict[str, Value.Scalar], 5] = {}

    class WaitContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]

    class KillContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]
        signal: Annotated[int32 | None, 2] = None

    class RemoveContainer(WireMessage, kw_only=True):
        container_id: Annotated[ContainerID, 1]

    class AddResourceProviderConfig(WireMessage, kw_only=True):
        info: Annotated[ResourceProviderInfo, 1]

    class UpdateResourceProviderConfig(WireMessage, kw_only=True):
        info: Annotated[ResourceProviderInfo, 1]

    class RemoveResourceProviderConfig(WireMessage, kw_only=True):
        type: Annotated[str, 1]
        name: Annotated[str, 2]

    class MarkResourceProviderGone(WireMessage, kw_only=True):
        resource_provider_id: Annotated[ResourceProviderID, 1]

    class PruneImages(WireMessage, kw_only=True):
        excluded_images: Annotated[list[Image], 1] = []

    type: Annotated[Call.Type | None, 1] = None
    get_metrics: Annotated[Call.GetMetrics | None, 2] = None
    set_logging_level: Annotated[Call.SetLoggingLevel | None, 3] = None
    list_files: Annotated[Call.ListFiles | None, 4] = None
    read_file: Annotated[Call.ReadFile | None, 5] = None
    get_containers: Annotated[Call.GetContainers | None, 20] = None
    launch_nested_container: Annotated[Call.LaunchNestedContainer | None, Proto(6, deprecated=True)] = None
    wait_nested_container: Annotated[Call.WaitNestedContainer | None, Proto(7, deprecated=True)] = None
    kill_nested_container: Annotated[Call.KillNestedContainer | None, Proto(8, deprecated=True)] = None
    remove_nested_container: Annotated[Call.RemoveNestedContainer | None, Proto(12, deprecated=True)] = None
    launch_nested_container_session: Annotated[Call.LaunchNestedContainerSession | None, 9] = None
    attach_container_input: Annotated[Call.AttachContainerInput | None, 10] = None
    attach_container_output: Annotated[Call.AttachContainerOutput | None, 11] = None
    launch_container: Annotated[Call.LaunchContainer | None, 13] = None
    wait_container: Annotated[Call.WaitContainer | None, 14] = None
    kill_container: Annotated[Call.KillContainer | None, 15] = None
    remove_container: Annotated[Call.RemoveContainer | None, 16] = None
    add_resource_provider_config: Annotated[Call.AddResourceProviderConfig | None, 17] = None
    update_resource_provider_config: Annotated[Call.UpdateResourceProviderConfig | None, 18] = None
    remove_resource_provider_config: Annotated[Call.RemoveResourceProviderConfig | None, 19] = None
    mark_resource_provider_gone: Annotated[Call.MarkResourceProviderGone | None, 22] = None
    prune_images: Annotated[Call.PruneImages | None, 21] = None


class Response(WireMessage, kw_only=True):
    """What an agent answers to an operator; the member named like `type` is set."""

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
        GET_CONTAINERS = "GET_CONTAINERS", 9
        GET_FRAMEWORKS = "GET_FRAMEWORKS", 10
        GET_EXECUTORS = "GET_EXECUTORS", 11
        GET_OPERATIONS = "GET_OPERATIONS", 17
        GET_TASKS = "GET_TASKS", 12
        GET_AGENT = "GET_AGENT", 14
        GET_RESOURCE_PROVIDERS = "GET_RESOURCE_PROVIDERS", 16
        WAIT_NESTED_CONTAINER = "WAIT_NESTED_CONTAINER", 13
        WAIT_CONTAINER = "WAIT_CONTAINER", 15

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
        get_tasks: Annotated[Response.GetTasks | None, 1] = None
        get_executors: Annotated[Response.GetExecutors | None, 2] = None
        get_frameworks: Annotated[Response.GetFrameworks | None, 3] = None

    class GetContainers(WireMessage, kw_only=True):
        class Container(WireMessage, kw_only=True):
            framework_id: Annotated[FrameworkID | None, 1] = None
            executor_id: Annotated[ExecutorID | None, 2] = None
            executor_name: Annotated[str | None, 3] = None
            container_id: Annotated[ContainerID, 4]
            container_status: Annotated[ContainerStatus | None, 5] = None
            resource_statistics: Annotated[ResourceStatistics | None, 6] = None

        containers: Annotated[list[Response.GetContainers.Container], 1] = []

    class GetFrameworks(WireMessage, kw_only=True):
        class Framework(WireMessage, kw_only=True):
            framework_info: Annotated[FrameworkInfo, 1]

        frameworks: Annotated[list[Response.GetFrameworks.Framework], 1] = []
        completed_frameworks: Annotated[list[Response.GetFrameworks.Framework], 2] = []

    class GetExecutors(WireMessage, kw_only=True):
        class Executor(WireMessage, kw_only=True):
            executor_info: Annotated[ExecutorInfo, 1]

        executors: Annotated[list[Response.GetExecutors.Executor], 1] = []
        completed_executors: Annotated[list[Response.GetExecutors.Executor], 2] = []

    class GetOperations(WireMessage, kw_only=True):
        operations: Annotated[list[Operation], 1] = []

    class GetTasks(WireMessage, kw_only=True):
        pending_tasks: Annotated[list[Task], 1] = []
        queued_tasks: Annotated[list[Task], 2] = []
        launched_tasks: Annotated[list[Task], 3] = []
        terminated_tasks: Annotated[list[Task], 4] = []
        completed_tasks: Annotated[list[Task], 5] = []

    class GetAgent(WireMessage, kw_only=True):
        agent_info: Annotated[AgentInfo | None, 1] = None
        drain_config: Annotated[DrainConfig | None, 2] = None
        estimated_drain_start_time: Annotated[TimeInfo | None, 3] = None

    class GetResourceProviders(WireMessage, kw_only=True):
        class ResourceProvider(WireMessage, kw_only=True):
            resource_provider_info: Annotated[ResourceProviderInfo, 1]
            total_resources: Annotated[list[Resource], 2] = []

        resource_providers: Annotated[list[Response.GetResourceProviders.ResourceProvider], 1] = []

    class WaitNestedContainer(WireMessage, kw_only=True):
        exit_status: Annotated[int32 | None, 1] = None
        state: Annotated[TaskState | None, 2] = None
        reason: Annotated[TaskStatus.Reason | None, 3] = None
        limitation: Annotated[TaskResourceLimitation | None, 4] = None
        message: Annotated[str | None, 5] = None

    class WaitContainer(WireMessage, kw_only=True):
        exit_status: Annotated[int32 | None, 1] = None
        state: Annotated[TaskState | None, 2] = None
        reason: Annotated[TaskStatus.Reason | None, 3] = None
        limitation: Annotated[TaskResourceLimitation | None, 4] = None
        message: Annotated[str | None, 5] = None

    type: Annotated[Response.Type | None, 1] = None
    get_health: Annotated[Response.GetHealth | None, 2] = None
    get_flags: Annotated[Response.GetFlags | None, 3] = None
    get_version: Annotated[Response.GetVersion | None, 4] = None
    get_metrics: Annotated[Response.GetMetrics | None, 5] = None
    get_logging_level: Annotated[Response.GetLoggingLevel | None, 6] = None
    list_files: Annotated[Response.ListFiles | None, 7] = None
    read_file: Annotated[Response.ReadFile | None, 8] = None
    get_state: Annotated[Response.GetState | None, 9] = None
    get_containers: Annotated[Response.GetContainers | None, 10] = None
    get_frameworks: Annotated[Response.GetFrameworks | None, 11] = None
    get_executors: Annotated[Response.GetExecutors | None, 12] = None
    get_operations: Annotated[Response.GetOperations | None, 18] = None
    get_tasks: Annotated[Response.GetTasks | None, 13] = None
    get_agent: Annotated[Response.GetAgent | None, 15] = None
    get_resource_providers: Annotated[Response.GetResourceProviders | None, 17] = None
    wait_nested_container: Annotated[Response.WaitNestedContainer | None, 14] = None
    wait_container: Annotated[Response.WaitContainer | None, 16] = None


class ProcessIO(WireMessage, kw_only=True):
    """A piece of what goes into or comes out of a container's process."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        DATA = "DATA", 1
        CONTROL = "CONTROL", 2

    class Data(WireMessage, kw_only=True):
        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            STDIN = "STDIN", 1
            STDOUT = "STDOUT", 2
            STDERR = "STDERR", 3

        type: Annotated[ProcessIO.Data.Type | None, 1] = None
        data: Annotated[bytes | None, 2] = None

    class Control(WireMessage, kw_only=True):
        class Type(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            TTY_INFO = "TTY_INFO", 1
            HEARTBEAT = "HEARTBEAT", 2

        class Heartbeat(WireMessage, kw_only=True):
            interval: Annotated[DurationInfo | None, 1] = None

        type: Annotated[ProcessIO.Control.Type | None, 1] = None
        tty_info: Annotated[TTYInfo | None, 2] = None
        heartbeat: Annotated[ProcessIO.Control.Heartbeat | None, 3] = None

    type: Annotated[ProcessIO.Type | None, 1] = None
    data: Annotated[ProcessIO.Data | None, 2] = None
    control: Annotated[ProcessIO.Control | None, 3] = None
