"""The API of resource providers on an agent. Package mesos.v1.resource_provider."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import ProtoEnum, WireMessage
from tepui.model.v1.mesos import (
    UUID,
    FrameworkID,
    Offer,
    Operation,
    OperationStatus,
    Resource,
    ResourceProviderID,
    ResourceProviderInfo,
)


class Event(WireMessage, kw_only=True):
    """What an agent tells a provider of resources; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBED = "SUBSCRIBED", 1
        APPLY_OPERATION = "APPLY_OPERATION", 2
        PUBLISH_RESOURCES = "PUBLISH_RESOURCES", 3
        ACKNOWLEDGE_OPERATION_STATUS = "ACKNOWLEDGE_OPERATION_STATUS", 4
        RECONCILE_OPERATIONS = "RECONCILE_OPERATIONS", 5
        TEARDOWN = "TEARDOWN", 6

    class Subscribed(WireMessage, kw_only=True):
        provider_id: Annotated[ResourceProviderID, 1]

    class ApplyOperation(WireMessage, kw_only=True):
        framework_id: Annotated[FrameworkID | None, 1] = None
        info: Annotated[Offer.Operation, 2]
        operation_uuid: Annotated[UUID, 3]
        resource_version_uuid: Annotated[UUID, 4]

    class PublishResources(WireMessage, kw_only=True):
        uuid: Annotated[UUID, 1]
        resources: Annotated[list[Resource], 2] = []

    class AcknowledgeOperationStatus(WireMessage, kw_only=True):
        status_uuid: Annotated[UUID, 1]
        operation_uuid: Annotated[UUID, 2]

    class ReconcileOperations(WireMessage, kw_only=True):
        operation_uuids: Annotated[list[UUID], 1] = []

    type: Annotated[Event.Type | None, 1] = None
    subscribed: Annotated[Event.Subscribed | None, 2] = None
    apply_operation: Annotated[Event.ApplyOperation | None, 3] = None
    publish_resources: Annotated[Event.PublishResources | None, 4] = None
    acknowledge_operation_status: Annotated[Event.AcknowledgeOperationStatus | None, 5] = None
    reconcile_operations: Annotated[Event.ReconcileOperations | None, 6] = None


class Call(WireMessage, kw_only=True):
    """What a provider of resources tells its agent; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBE = "SUBSCRIBE", 1
        UPDATE_OPERATION_STATUS = "UPDATE_OPERATION_STATUS", 2
        UPDATE_STATE = "UPDATE_STATE", 3
        UPDATE_PUBLISH_RESOURCES_STATUS = "UPDATE_PUBLISH_RESOURCES_STATUS", 4

    class Subscribe(WireMessage, kw_only=True):
        resource_provider_info: Annotated[ResourceProviderInfo, 1]

    class UpdateOperationStatus(WireMessage, kw_only=True):
        framework_id: Annotated[FrameworkID | None, 1] = None
        status: Annotated[OperationStatus, 2]
        latest_status: Annotated[OperationStatus | None, 3] = None
        operation_uuid: Annotated[UUID, 4]

    class UpdateState(WireMessage, kw_only=True):
        operations: Annotated[list[Operation], 1] = []
        resources: Annotated[list[Resource], 2] = []
        resource_version_uuid: Annotated[UUID, 3]

    class UpdatePublishResourcesStatus(WireMessage, kw_only=True):
        class Status(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            OK = "OK", 1
            FAILED = "FAILED", 2

        uuid: Annotated[UUID, 1]
        status: Annotated[Call.UpdatePublishResourcesStatus.Status, 2]

    resource_provider_id: Annotated[ResourceProviderID | None, 1] = None
    type: Annotated[Call.Type | None, 2] = None
    subscribe: Annotated[Call.Subscribe | None, 3] = None
    update_operation_status: Annotated[Call.UpdateOperationStatus | None, 4] = None
    update_state: Annotated[Call.UpdateState | None, 5] = None
    update_publish_resources_status: Annotated[Call.UpdatePublishResourcesStatus | None, 6] = None
