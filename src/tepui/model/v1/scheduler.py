"""The scheduler API: calls of schedulers, events to them. Package mesos.v1.scheduler."""

from __future__ import annotations

from typing import Annotated

from tepui.model.message import Proto, ProtoEnum, WireMessage, at_most_one, int32, uint32
from tepui.model.v1.mesos import (
    AgentID,
    ExecutorID,
    Filters,
    FrameworkID,
    FrameworkInfo,
    InverseOffer,
    KillPolicy,
    MasterInfo,
    Offer,
    OfferID,
    OperationID,
    OperationStatus,
    Request,
    ResourceProviderID,
    TaskID,
    TaskStatus,
)


class Event(WireMessage, kw_only=True):
    """What the master tells a scheduler on its stream; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBED = "SUBSCRIBED", 1
        OFFERS = "OFFERS", 2
        INVERSE_OFFERS = "INVERSE_OFFERS", 9
        RESCIND = "RESCIND", 3
        RESCIND_INVERSE_OFFER = "RESCIND_INVERSE_OFFER", 10
        UPDATE = "UPDATE", 4
        UPDATE_OPERATION_STATUS = "UPDATE_OPERATION_STATUS", 11
        MESSAGE = "MESSAGE", 5
        FAILURE = "FAILURE", 6
        ERROR = "ERROR", 7
        HEARTBEAT = "HEARTBEAT", 8

    class Subscribed(WireMessage, kw_only=True):
        """The first event: the framework's id, and after how many seconds a heartbeat comes at the latest."""

        framework_id: Annotated[FrameworkID, 1]
        heartbeat_interval_seconds: Annotated[float | None, 2] = None
        master_info: Annotated[MasterInfo | None, 3] = None

    class Offers(WireMessage, kw_only=True):
        """New offers."""

        offers: Annotated[list[Offer], 1] = []

    class InverseOffers(WireMessage, kw_only=True):
        """Requests to leave agents."""

        inverse_offers: Annotated[list[InverseOffer], 1] = []

    class Rescind(WireMessage, kw_only=True):
        """An offer is void; what it held may be with others already."""

        offer_id: Annotated[OfferID, 1]

    class RescindInverseOffer(WireMessage, kw_only=True):
        inverse_offer_id: Annotated[OfferID, 1]

    class Update(WireMessage, kw_only=True):
        """A task has a new state, or the scheduler asked for it. To be acknowledged if it has a uuid."""

        status: Annotated[TaskStatus, 1]

    class UpdateOperationStatus(WireMessage, kw_only=True):
        """An operation has a new state. To be acknowledged if it has a uuid."""

        status: Annotated[OperationStatus, 1]

    class Message(WireMessage, kw_only=True):
        """Data from an executor, which may be lost."""

        agent_id: Annotated[AgentID, 1]
        executor_id: Annotated[ExecutorID, 2]
        data: Annotated[bytes, 3]

    class Failure(WireMessage, kw_only=True):
        """An agent is gone, or with `executor_id` an executor has ended, with its raw wait status."""

        agent_id: Annotated[AgentID | None, 1] = None
        executor_id: Annotated[ExecutorID | None, 2] = None
        status: Annotated[int32 | None, 3] = None

    class Error(WireMessage, kw_only=True):
        """The subscription failed or was taken over; the stream ends."""

        message: Annotated[str, 1]

    type: Annotated[Event.Type | None, 1] = None
    subscribed: Annotated[Event.Subscribed | None, 2] = None
    offers: Annotated[Event.Offers | None, 3] = None
    inverse_offers: Annotated[Event.InverseOffers | None, 9] = None
    rescind: Annotated[Event.Rescind | None, 4] = None
    rescind_inverse_offer: Annotated[Event.RescindInverseOffer | None, 10] = None
    update: Annotated[Event.Update | None, 5] = None
    update_operation_status: Annotated[Event.UpdateOperationStatus | None, 11] = None
    message: Annotated[Event.Message | None, 6] = None
    failure: Annotated[Event.Failure | None, 7] = None
    error: Annotated[Event.Error | None, 8] = None


class Response(WireMessage, kw_only=True):
    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        RECONCILE_OPERATIONS = "RECONCILE_OPERATIONS", 1

    class ReconcileOperations(WireMessage, kw_only=True):
        operation_statuses: Annotated[list[OperationStatus], Proto(1, deprecated=True)] = []

    type: Annotated[Response.Type | None, 1] = None
    reconcile_operations: Annotated[Response.ReconcileOperations | None, Proto(2, deprecated=True)] = None


class AttributeConstraint(WireMessage, kw_only=True):
    """What an attribute of an agent must be like."""

    class Selector(WireMessage, kw_only=True):
        class PseudoattributeType(ProtoEnum):
            UNKNOWN = "UNKNOWN", 0
            HOSTNAME = "HOSTNAME", 1
            REGION = "REGION", 2
            ZONE = "ZONE", 3

        pseudoattribute_type: Annotated[
            AttributeConstraint.Selector.PseudoattributeType | None, Proto(1, oneof="selector")
        ] = None
        attribute_name: Annotated[str | None, Proto(2, oneof="selector")] = None

        def __post_init__(self) -> None:
            at_most_one(self.pseudoattribute_type, self.attribute_name)

    class Predicate(WireMessage, kw_only=True):
        class Exists(WireMessage, kw_only=True):
            pass

        class NotExists(WireMessage, kw_only=True):
            pass

        class TextEquals(WireMessage, kw_only=True):
            value: Annotated[str, 1]

        class TextNotEquals(WireMessage, kw_only=True):
            value: Annotated[str, 1]

        class TextMatches(WireMessage, kw_only=True):
            regex: Annotated[str, 1]

        class TextNotMatches(WireMessage, kw_only=True):
            regex: Annotated[str, 1]

        exists: Annotated[AttributeConstraint.Predicate.Exists | None, Proto(1, oneof="predicate")] = None
        not_exists: Annotated[AttributeConstraint.Predicate.NotExists | None, Proto(2, oneof="predicate")] = None
        text_equals: Annotated[AttributeConstraint.Predicate.TextEquals | None, Proto(3, oneof="predicate")] = None
        text_not_equals: Annotated[AttributeConstraint.Predicate.TextNotEquals | None, Proto(4, oneof="predicate")] = (
            None
        )
        text_matches: Annotated[AttributeConstraint.Predicate.TextMatches | None, Proto(5, oneof="predicate")] = None
        text_not_matches: Annotated[
            AttributeConstraint.Predicate.TextNotMatches | None, Proto(6, oneof="predicate")
        ] = None

        def __post_init__(self) -> None:
            at_most_one(
                self.exists,
                self.not_exists,
                self.text_equals,
                self.text_not_equals,
                self.text_matches,
                self.text_not_matches,
            )

    selector: Annotated[AttributeConstraint.Selector, 1]
    predicate: Annotated[AttributeConstraint.Predicate, 2]


class OfferConstraints(WireMessage, kw_only=True):
    """Which agents may be offered, by role. An agent must fit all constraints of one group at least."""

    class RoleConstraints(WireMessage, kw_only=True):
        class Group(WireMessage, kw_only=True):
            attribute_constraints: Annotated[list[AttributeConstraint], 1] = []

        groups: Annotated[list[OfferConstraints.RoleConstraints.Group], 1] = []

    role_constraints: Annotated[dict[str, OfferConstraints.RoleConstraints], 1] = {}


class Call(WireMessage, kw_only=True):
    """What a scheduler asks of the master; the member named like `type` is set."""

    class Type(ProtoEnum):
        UNKNOWN = "UNKNOWN", 0
        SUBSCRIBE = "SUBSCRIBE", 1
        TEARDOWN = "TEARDOWN", 2
        ACCEPT = "ACCEPT", 3
        DECLINE = "DECLINE", 4
        ACCEPT_INVERSE_OFFERS = "ACCEPT_INVERSE_OFFERS", 13
        DECLINE_INVERSE_OFFERS = "DECLINE_INVERSE_OFFERS", 14
        REVIVE = "REVIVE", 5
        KILL = "KILL", 6
        SHUTDOWN = "SHUTDOWN", 7
        ACKNOWLEDGE = "ACKNOWLEDGE", 8
        ACKNOWLEDGE_OPERATION_STATUS = "ACKNOWLEDGE_OPERATION_STATUS", 15
        RECONCILE = "RECONCILE", 9
        RECONCILE_OPERATIONS = "RECONCILE_OPERATIONS", 16
        MESSAGE = "MESSAGE", 10
        REQUEST = "REQUEST", 11
        SUPPRESS = "SUPPRESS", 12
        UPDATE_FRAMEWORK = "UPDATE_FRAMEWORK", 17

    class Subscribe(WireMessage, kw_only=True):
        """Open the stream. Roles in `suppressed_roles` get no offers until REVIVE."""

        framework_info: Annotated[FrameworkInfo, 1]
        suppressed_roles: Annotated[list[str], 2] = []
        offer_constraints: Annotated[OfferConstraints | None, 3] = None

    class Accept(WireMessage, kw_only=True):
        """Use offers of one agent; what is left over is declined with `filters`."""

        offer_ids: Annotated[list[OfferID], 1] = []
        operations: Annotated[list[Offer.Operation], 2] = []
        filters: Annotated[Filters | None, 3] = None

    class Decline(WireMessage, kw_only=True):
        """Give offers back; with `filters`, for how long not to offer the same again."""

        offer_ids: Annotated[list[OfferID], 1] = []
        filters: Annotated[Filters | None, 2] = None

    class AcceptInverseOffers(WireMessage, kw_only=True):
        inverse_offer_ids: Annotated[list[OfferID], 1] = []
        filters: Annotated[Filters | None, 2] = None

    class DeclineInverseOffers(WireMessage, kw_only=True):
        inverse_offer_ids: Annotated[list[OfferID], 1] = []
        filters: Annotated[Filters | None, 2] = None

    class Revive(WireMessage, kw_only=True):
        """End suppression and filters of these roles, or of all."""

        roles: Annotated[list[str], 1] = []

    class Kill(WireMessage, kw_only=True):
        """End a task."""

        task_id: Annotated[TaskID, 1]
        agent_id: Annotated[AgentID | None, 2] = None
        kill_policy: Annotated[KillPolicy | None, 3] = None

    class Shutdown(WireMessage, kw_only=True):
        """End an executor and all of its tasks."""

        executor_id: Annotated[ExecutorID, 1]
        agent_id: Annotated[AgentID, 2]

    class Acknowledge(WireMessage, kw_only=True):
        """The update with this uuid has been dealt with; the task's next one may come."""

        agent_id: Annotated[AgentID, 1]
        task_id: Annotated[TaskID, 2]
        uuid: Annotated[bytes, 3]

    class AcknowledgeOperationStatus(WireMessage, kw_only=True):
        agent_id: Annotated[AgentID | None, 1] = None
        resource_provider_id: Annotated[ResourceProviderID | None, 2] = None
        uuid: Annotated[bytes, 3]
        operation_id: Annotated[OperationID, 4]

    class Reconcile(WireMessage, kw_only=True):
        """Tell the states of these tasks, or of all that are known."""

        class Task(WireMessage, kw_only=True):
            task_id: Annotated[TaskID, 1]
            agent_id: Annotated[AgentID | None, 2] = None

        tasks: Annotated[list[Call.Reconcile.Task], 1] = []

    class ReconcileOperations(WireMessage, kw_only=True):
        class Operation(WireMessage, kw_only=True):
            operation_id: Annotated[OperationID, 1]
            agent_id: Annotated[AgentID | None, 2] = None
            resource_provider_id: Annotated[ResourceProviderID | None, 3] = None

        operations: Annotated[list[Call.ReconcileOperations.Operation], 1] = []

    class Message(WireMessage, kw_only=True):
        """Data for an executor, which may be lost."""

        agent_id: Annotated[AgentID, 1]
        executor_id: Annotated[ExecutorID, 2]
        data: Annotated[bytes, 3]

    class Request(WireMessage, kw_only=True):
        requests: Annotated[list[Request], 1] = []

    class Suppress(WireMessage, kw_only=True):
        """No more offers for these roles, or for all."""

        roles: Annotated[list[str], 1] = []

    class UpdateFramework(WireMessage, kw_only=True):
        """Replace the framework's description, all but principal, user and checkpoint."""

        framework_info: Annotated[FrameworkInfo, 1]
        suppressed_roles: Annotated[list[str], 2] = []
        offer_constraints: Annotated[OfferConstraints | None, 3] = None

    framework_id: Annotated[FrameworkID | None, 1] = None
    type: Annotated[Call.Type | None, 2] = None
    subscribe: Annotated[Call.Subscribe | None, 3] = None
    accept: Annotated[Call.Accept | None, 4] = None
    decline: Annotated[Call.Decline | None, 5] = None
    accept_inverse_offers: Annotated[Call.AcceptInverseOffers | None, 13] = None
    decline_inverse_offers: Annotated[Call.DeclineInverseOffers | None, 14] = None
    revive: Annotated[Call.Revive | None, 15] = None
    kill: Annotated[Call.Kill | None, 6] = None
    shutdown: Annotated[Call.Shutdown | None, 7] = None
    acknowledge: Annotated[Call.Acknowledge | None, 8] = None
    acknowledge_operation_status: Annotated[Call.AcknowledgeOperationStatus | None, 17] = None
    reconcile: Annotated[Call.Reconcile | None, 9] = None
    reconcile_operations: Annotated[Call.ReconcileOperations | None, 18] = None
    message: Annotated[Call.Message | None, 10] = None
    request: Annotated[Call.Request | None, 11] = None
    suppress: Annotated[Call.Suppress | None, 16] = None
    update_framework: Annotated[Call.UpdateFramework | None, 19] = None


class APIResult(WireMessage, kw_only=True):
    """The answer to a call as libraries for schedulers hand it on."""

    status_code: Annotated[uint32, 1]
    response: Annotated[Response | None, 2] = None
    error: Annotated[str | None, 3] = None
