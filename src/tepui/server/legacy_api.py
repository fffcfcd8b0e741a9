"""The master's legacy JSON endpoints: which there are, at which paths and by which methods; the core answers them.

What has a twin in the v1 API (`POST /quota` is SET_QUOTA, `/reserve` RESERVE_RESOURCES) reaches the core as that call.
"""

from __future__ import annotations

from collections.abc import Callable

from tepui.master.events import LegacyCall, OperatorCall
from tepui.model.shell import Event
from tepui.model.v1.maintenance import Schedule
from tepui.model.v1.master import Call
from tepui.model.v1.mesos import AgentID, MachineID, Resource, WeightInfo
from tepui.model.v1.quota import QuotaRequest
from tepui.server.endpoints import read_form, read_query
from tepui.server.exchange import Exchange
from tepui.transport.hot import Handler, HotRequest
from tepui.wire.errors import DecodeError
from tepui.wire.json import convert_json, parse_json

_ANY = ("state", "state-summary", "slaves", "frameworks", "tasks", "roles", "flags")
"""Read endpoints: Mesos answers them whatever the method."""
_BY_METHOD = {
    "quota": ("GET", "POST", "DELETE"),
    "weights": ("GET", "PUT"),
    "maintenance/schedule": ("GET", "POST"),
    "maintenance/status": ("GET",),
    "machine/down": ("POST",),
    "machine/up": ("POST",),
    "reserve": ("POST",),
    "unreserve": ("POST",),
    "create-volumes": ("POST",),
    "destroy-volumes": ("POST",),
    "teardown": ("POST",),
}
_OWN_PROCESS = ("metrics/snapshot", "allocator/offer_constraints_debug", "registrar(1)/registry")
"""Endpoints of processes beside the master's, so without the /master prefix."""


class LegacyApi:
    """The endpoints by path, in both spellings (`/state` and `/master/state`)."""

    def __init__(self, exchange: Exchange, post: Callable[[Event], None]) -> None:
        self._exchange = exchange
        self._post = post

    def routes(self) -> dict[str, Handler]:
        found: dict[str, Handler] = {}
        for name in _ANY:
            found[f"/{name}"] = found[f"/master/{name}"] = self._handler(name, None)
        for name, methods in _BY_METHOD.items():
            found[f"/{name}"] = found[f"/master/{name}"] = self._handler(name, methods)
        for name in _OWN_PROCESS:
            found[f"/{name}"] = self._handler(name, None)
        return found

    def _handler(self, endpoint: str, methods: tuple[str, ...] | None) -> Handler:
        paths = {f"/{endpoint}", f"/master/{endpoint}"}
        below = endpoint == "quota"  # DELETE /quota/<role>

        def handle(request: HotRequest) -> None:
            if request.path not in paths and not below:
                request.answer_text(404)
                return
            if methods is not None and request.method not in methods:
                request.answer_method_not_allowed(*methods)
                return
            query = read_query(request)
            if query is None:
                return
            read = _CALLS.get((request.method, endpoint))
            if read is not None:
                call = read(request)
                if call is not None:
                    self._post(OperatorCall(self._exchange.wait(request), "", None, call))
                return
            form = read_form(request) if request.method == "POST" and endpoint in _FORMS else {}
            if form is None:
                return
            number = self._exchange.wait(request, jsonp=query.get("jsonp"))
            path = "/master/" + request.path.removeprefix("/master").removeprefix("/")
            self._post(LegacyCall(number, None, request.method, endpoint, query, form, path))

        return handle


_FORMS = frozenset({"teardown"})

BODY_CHARACTERS_MAX = 1000
"""So much of a body that cannot be read is quoted in the answer."""


def _quota_call(request: HotRequest) -> Call | None:
    """`POST /quota`; None after answering that the body is no quota request."""
    quoted = _quoted(request)
    try:
        value = parse_json(request.body)
        if not isinstance(value, dict):
            raise DecodeError("Unexpected JSON type parsed")
    except DecodeError as error:
        request.answer_text(400, f"Failed to parse set quota request JSON '{quoted}': {error}")
        return None
    try:
        wanted = convert_json(QuotaRequest, value)
    except DecodeError as error:
        request.answer_text(400, f"Failed to validate set quota request JSON '{quoted}': {error}")
        return None
    return Call(type=Call.Type.SET_QUOTA, set_quota=Call.SetQuota(quota_request=wanted))


def _weights_call(request: HotRequest) -> Call | None:
    """`PUT /weights`; None after answering that the body is no list of weights."""
    quoted = _quoted(request)
    try:
        value = parse_json(request.body)
        if not isinstance(value, list):
            raise DecodeError("Unexpected JSON type parsed")
    except DecodeError as error:
        request.answer_text(400, f"Failed to parse update weights request JSON '{quoted}': {error}")
        return None
    try:
        infos = [convert_json(WeightInfo, entry) for entry in value]
    except DecodeError as error:
        request.answer_text(400, f"Failed to convert weights JSON array to protobuf '{quoted}': {error}")
        return None
    return Call(type=Call.Type.UPDATE_WEIGHTS, update_weights=Call.UpdateWeights(weight_infos=infos))


def _schedule_call(request: HotRequest) -> Call | None:
    """`POST /maintenance/schedule`; None after answering that the body is no schedule."""
    try:
        value = parse_json(request.body)
        if not isinstance(value, dict):
            raise DecodeError("Unexpected JSON type parsed")
        schedule = convert_json(Schedule, value)
    except DecodeError as error:
        request.answer_text(400, str(error))
        return None
    update = Call.UpdateMaintenanceSchedule(schedule=schedule)
    return Call(type=Call.Type.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=update)


def _machines(request: HotRequest) -> list[MachineID] | None:
    """The machines of a request; None after answering that the body is no list of them."""
    try:
        value = parse_json(request.body)
        if not isinstance(value, list):
            raise DecodeError("Unexpected JSON type parsed")
        return [convert_json(MachineID, entry) for entry in value]
    except DecodeError as error:
        request.answer_text(400, str(error))
        return None


def _down_call(request: HotRequest) -> Call | None:
    machines = _machines(request)
    if machines is None:
        return None
    return Call(type=Call.Type.START_MAINTENANCE, start_maintenance=Call.StartMaintenance(machines=machines))


def _up_call(request: HotRequest) -> Call | None:
    machines = _machines(request)
    if machines is None:
        return None
    return Call(type=Call.Type.STOP_MAINTENANCE, stop_maintenance=Call.StopMaintenance(machines=machines))


def _reserve_call(request: HotRequest) -> Call | None:
    """`POST /reserve`, whose `source` may be missing; None after answering what is wrong with its form."""
    form = _operation_form(request, "resources")
    if form is None:
        return None
    source = [] if form.get("source") is None else _resources(request, form["source"], "Error parsing 'source'")
    if source is None:
        return None
    resources = _resources(request, form["resources"], "Error parsing 'resources'")
    if resources is None:
        return None
    reserve = Call.ReserveResources(agent_id=AgentID(value=form["slaveId"]), source=source, resources=resources)
    return Call(type=Call.Type.RESERVE_RESOURCES, reserve_resources=reserve)


def _unreserve_call(request: HotRequest) -> Call | None:
    found = _agent_and(request, "resources", "Error parsing 'resources'")
    if found is None:
        return None
    unreserve = Call.UnreserveResources(agent_id=found[0], resources=found[1])
    return Call(type=Call.Type.UNRESERVE_RESOURCES, unreserve_resources=unreserve)


def _create_volumes_call(request: HotRequest) -> Call | None:
    found = _agent_and(request, "volumes", "Error in parsing 'volumes'")
    if found is None:
        return None
    create = Call.CreateVolumes(agent_id=found[0], volumes=found[1])
    return Call(type=Call.Type.CREATE_VOLUMES, create_volumes=create)


def _destroy_volumes_call(request: HotRequest) -> Call | None:
    found = _agent_and(request, "volumes", "Error in parsing 'volumes'")
    if found is None:
        return None
    destroy = Call.DestroyVolumes(agent_id=found[0], volumes=found[1])
    return Call(type=Call.Type.DESTROY_VOLUMES, destroy_volumes=destroy)


def _agent_and(request: HotRequest, field: str, failing: str) -> tuple[AgentID, list[Resource]] | None:
    """The agent that an operation's form names, and the resources in one of its fields."""
    form = _operation_form(request, field)
    resources = None if form is None else _resources(request, form[field], failing)
    return None if form is None or resources is None else (AgentID(value=form["slaveId"]), resources)


def _operation_form(request: HotRequest, field: str) -> dict[str, str] | None:
    """The form of an operation, which names an agent and resources; None after answering what it lacks."""
    form = read_form(request)
    if form is None:
        return None
    for name in ("slaveId", field):
        if name not in form:
            request.answer_text(400, f"Missing '{name}' query parameter in the request body")
            return None
    return form


def _resources(request: HotRequest, text: str, failing: str) -> list[Resource] | None:
    """The resources of a form's field; None after answering that it is no JSON array of them."""
    try:
        value = parse_json(text.encode())
        if not isinstance(value, list):
            raise DecodeError("Unexpected JSON type parsed")
        return [convert_json(Resource, entry) for entry in value]
    except DecodeError as error:
        request.answer_text(400, f"{failing} query parameter in the request body: {error}")
        return None


def _quoted(request: HotRequest) -> str:
    return request.body[: 4 * BODY_CHARACTERS_MAX].decode("utf-8", "replace")[:BODY_CHARACTERS_MAX]


_CALLS: dict[tuple[str, str], Callable[[HotRequest], Call | None]] = {
    ("POST", "quota"): _quota_call,
    ("PUT", "weights"): _weights_call,
    ("POST", "reserve"): _reserve_call,
    ("POST", "unreserve"): _unreserve_call,
    ("POST", "create-volumes"): _create_volumes_call,
    ("POST", "destroy-volumes"): _destroy_volumes_call,
    ("POST", "maintenance/schedule"): _schedule_call,
    ("POST", "machine/down"): _down_call,
    ("POST", "machine/up"): _up_call,
}
