"""Validation: each sentence is the one that Apache Mesos 1.11.0 gives, in its order of checks."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from tepui.model.resource_validation import validate_resources
from tepui.model.roles import validate_role
from tepui.model.v1 import agent, executor, master, scheduler
from tepui.model.v1.mesos import (
    ContainerID,
    Environment,
    FrameworkID,
    FrameworkInfo,
    OfferFilters,
    Resource,
    Secret,
    Value,
)
from tepui.model.validation import (
    CONTAINER_NESTING_MAX,
    validate_agent_call,
    validate_container_id,
    validate_environment,
    validate_executor_call,
    validate_framework_info,
    validate_id,
    validate_master_call,
    validate_offer_constraints,
    validate_scheduler_call,
    validate_uuid,
)

_UUID = "AQIDBAUGQQeCCQkJCQkJCQ=="
_NO_TYPE = "Expecting 'type' to be present"


def _scheduler(**members: Any) -> scheduler.Call:
    return msgspec.convert(members, scheduler.Call)


def _present(name: str) -> str:
    return f"Expecting '{name}' to be present"


@pytest.mark.parametrize("kind", list(scheduler.Call.Type))
def test_each_scheduler_call_needs_a_framework_and_its_member(kind: scheduler.Call.Type) -> None:
    name = kind.name.lower()
    alone = validate_scheduler_call(scheduler.Call(type=kind))
    with_id = validate_scheduler_call(scheduler.Call(type=kind, framework_id=FrameworkID(value="f")))
    if name == "subscribe":
        assert alone == with_id == _present("subscribe")
        return
    assert alone == _present("framework_id")
    assert with_id == (None if name in ("unknown", "teardown", "revive", "suppress") else _present(name))


_INFO = {"user": "u", "name": "n"}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (_scheduler(), _NO_TYPE),
        (_scheduler(type="SUBSCRIBE", subscribe={"framework_info": _INFO}), None),
        (_scheduler(type="SUBSCRIBE", framework_id={"value": ""}, subscribe={"framework_info": _INFO}), None),
        (
            _scheduler(type="SUBSCRIBE", framework_id={"value": "f"}, subscribe={"framework_info": _INFO}),
            "'framework_id' differs from 'subscribe.framework_info.id'",
        ),
        (
            _scheduler(type="SUBSCRIBE", subscribe={"framework_info": {**_INFO, "id": {"value": "f"}}}),
            "'framework_id' differs from 'subscribe.framework_info.id'",
        ),
        (
            _scheduler(
                type="SUBSCRIBE",
                framework_id={"value": "f"},
                subscribe={"framework_info": {**_INFO, "id": {"value": "f"}}},
            ),
            None,
        ),
        (
            _scheduler(
                type="UPDATE_FRAMEWORK", framework_id={"value": "f"}, update_framework={"framework_info": _INFO}
            ),
            "'framework_id' differs from 'update_framework.framework_info.id'",
        ),
        (
            _scheduler(type="SUBSCRIBE", subscribe={"framework_info": {**_INFO, "principal": "bob"}}),
            "Authenticated principal 'alice' does not match principal 'bob' set in `FrameworkInfo`",
        ),
        (_scheduler(type="SUBSCRIBE", subscribe={"framework_info": {**_INFO, "principal": "alice"}}), None),
        (
            _scheduler(
                type="ACKNOWLEDGE",
                framework_id={"value": "f"},
                acknowledge={"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": "YWJj"},
            ),
            "Not a valid UUID",
        ),
        (
            _scheduler(
                type="ACKNOWLEDGE_OPERATION_STATUS",
                framework_id={"value": "f"},
                acknowledge_operation_status={"uuid": "YWJj", "operation_id": {"value": "o"}},
            ),
            "Not a valid UUID",
        ),
        (
            _scheduler(
                type="ACKNOWLEDGE_OPERATION_STATUS",
                framework_id={"value": "f"},
                acknowledge_operation_status={"uuid": _UUID, "operation_id": {"value": "o"}},
            ),
            _present("agent_id"),
        ),
    ],
)
def test_scheduler_calls(call: scheduler.Call, why: str | None) -> None:
    assert validate_scheduler_call(call, "alice") == why


def test_without_authentication_any_principal_will_do() -> None:
    call = _scheduler(type="SUBSCRIBE", subscribe={"framework_info": {**_INFO, "principal": "bob"}})
    assert validate_scheduler_call(call) is None


@pytest.mark.parametrize("version", range(16))
def test_a_uuid_has_a_version_of_1_to_5(version: int) -> None:
    uuid = bytes(6) + bytes([version << 4 | 1]) + bytes(9)
    assert (validate_uuid(uuid) is None) == (1 <= version <= 5)
    assert validate_uuid(uuid[1:] + b"\x41\x41") == "Not a valid UUID"


def _executor(**members: Any) -> executor.Call:
    call = {"executor_id": {"value": "e"}, "framework_id": {"value": "f"}, **members}
    return msgspec.convert(call, executor.Call)


def _update(**changes: Any) -> executor.Call:
    status = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": _UUID, "source": "SOURCE_EXECUTOR", **changes}
    return _executor(type="UPDATE", update={"status": status})


_SOURCE = "Received Call from executor e of framework f with invalid source, expecting 'SOURCE_EXECUTOR'"
_STAGING = "Received TASK_STAGING from executor e of framework f which is not allowed"
_OTHER = "ExecutorID in Call: e does not match ExecutorID in TaskStatus: q"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (_executor(), _NO_TYPE),
        (_executor(type="SUBSCRIBE"), _present("subscribe")),
        (_executor(type="SUBSCRIBE", subscribe={}), None),
        (_executor(type="UPDATE"), _present("update")),
        (_executor(type="MESSAGE"), _present("message")),
        (_executor(type="HEARTBEAT"), None),
        (_executor(type="UNKNOWN"), None),
        (_update(), None),
        (_update(executor_id={"value": "e"}), None),
        (_update(uuid=None, source=None), _present("uuid")),
        (_update(uuid="YWJj", executor_id={"value": "q"}), "Not a valid UUID"),
        (_update(executor_id={"value": "q"}, source=None), _OTHER),
        (_update(source="SOURCE_AGENT", state="TASK_STAGING"), _SOURCE),
        (_update(state="TASK_STAGING", check_status={}), _STAGING),
        (_update(check_status={"command": {}}), "CheckStatusInfo must specify 'type'"),
        (_update(check_status={"type": "UNKNOWN"}), "'UNKNOWN' is not a valid check's status type"),
        (
            _update(check_status={"type": "COMMAND", "http": {}}),
            "Expecting 'command' to be set for COMMAND check's status",
        ),
        (_update(check_status={"type": "TCP", "tcp": {}}), None),
    ],
)
def test_executor_calls(call: executor.Call, why: str | None) -> None:
    assert validate_executor_call(call) == why


@pytest.mark.parametrize("kind", list(master.Call.Type))
def test_each_call_to_the_master_needs_the_member_of_its_name(kind: master.Call.Type) -> None:
    name = kind.name.lower()
    expected = _present(name) if name in master.Call.__struct_fields__ else None
    assert validate_master_call(master.Call(type=kind)) == expected
    assert validate_master_call(master.Call()) == _NO_TYPE


@pytest.mark.parametrize("name", ["grow_volume", "shrink_volume"])
def test_volumes_are_resized_on_a_named_agent(name: str) -> None:
    volume = {"name": "disk", "type": "SCALAR"}
    member: dict[str, Any] = {"volume": volume, "addition": volume, "subtract": {"value": 1.0}}
    call = msgspec.convert({"type": name.upper(), name: member}, master.Call)
    assert validate_master_call(call) == (
        "Expecting 'agent_id' to be present; only agent default resources are supported right now"
    )
    member["agent_id"] = {"value": "a"}
    assert validate_master_call(msgspec.convert({"type": name.upper(), name: member}, master.Call)) is None


@pytest.mark.parametrize("kind", list(agent.Call.Type))
def test_each_call_to_an_agent_needs_the_member_of_its_name(kind: agent.Call.Type) -> None:
    name = kind.name.lower()
    needed = name in agent.Call.__struct_fields__ and name not in ("get_containers", "prune_images")
    assert validate_agent_call(agent.Call(type=kind)) == (_present(name) if needed else None)
    assert validate_agent_call(agent.Call()) == _NO_TYPE


def _nested(depth: int) -> dict[str, Any]:
    container_id: dict[str, Any] = {"value": "c"}
    for _ in range(depth):
        container_id = {"value": "c", "parent": container_id}
    return container_id


_UNSET_VARIABLE = {"environment": {"variables": [{"name": "A"}]}}
_MUST_HAVE_VALUE = "Environment variable 'A' of type 'VALUE' must have a value set"
_SECOND_LEVEL = "'launch_container' is invalid: containers nested at the second level or greater cannot "


@pytest.mark.parametrize(
    ("name", "member", "why"),
    [
        ("wait_container", {"container_id": _nested(0)}, None),
        ("wait_container", {"container_id": _nested(2)}, None),
        (
            "wait_container",
            {"container_id": {"value": "a/b"}},
            "'wait_container.container_id' is invalid: 'a/b' contains invalid characters",
        ),
        (
            "kill_nested_container",
            {"container_id": _nested(0)},
            "Expecting 'kill_nested_container.container_id.parent' to be present",
        ),
        ("kill_nested_container", {"container_id": _nested(1)}, None),
        ("attach_container_output", {"container_id": _nested(0)}, None),
        (
            "launch_nested_container",
            {"container_id": _nested(1), "command": _UNSET_VARIABLE},
            f"'launch_nested_container.command' is invalid: {_MUST_HAVE_VALUE}",
        ),
        (
            "launch_container",
            {"container_id": _nested(0), "resources": [{"name": "disk", "type": "SCALAR"}]},
            f"Invalid resources: {validate_resources([Resource(name='disk', type=Value.Type.SCALAR)])}",
        ),
        (
            "launch_container",
            {"container_id": _nested(0), "container": {"type": "DOCKER"}},
            "'launch_container.container' is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
        ),
        (
            "launch_container",
            {"container_id": _nested(2), "resources": [{"name": "disk", "type": "SCALAR", "scalar": {"value": 1.0}}]},
            _SECOND_LEVEL + "specify resources",
        ),
        (
            "launch_container",
            {"container_id": _nested(2), "limits": {"mem": {"value": 1.0}}},
            _SECOND_LEVEL + "specify resource limits",
        ),
        (
            "launch_container",
            {"container_id": _nested(2), "container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}},
            _SECOND_LEVEL + "set 'share_cgroups' to 'false'",
        ),
        ("launch_container", {"container_id": _nested(1), "limits": {"mem": {"value": 1.0}}}, None),
        ("attach_container_input", {}, _present("attach_container_input.type")),
        ("attach_container_input", {"type": "UNKNOWN"}, "'attach_container_input.type' is unknown"),
        (
            "attach_container_input",
            {"type": "CONTAINER_ID"},
            "'attach_container_input.container_id' is invalid: ID must not be empty",
        ),
        ("attach_container_input", {"type": "PROCESS_IO"}, None),
        ("add_resource_provider_config", {"info": {"type": "t", "name": "n"}}, None),
        (
            "update_resource_provider_config",
            {"info": {"type": "t", "name": "n", "id": {"value": "x"}}},
            "Expecting 'update_resource_provider_config.info.id' to be unset",
        ),
    ],
)
def test_calls_to_an_agent(name: str, member: dict[str, Any], why: str | None) -> None:
    assert validate_agent_call(msgspec.convert({"type": name.upper(), name: member}, agent.Call)) == why


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a", None),
        ("a b", None),
        ("é", None),
        ("a" * 255, None),
        ("a" * 256, "ID must not be greater than 255 characters"),
        ("é" * 128, "ID must not be greater than 255 characters"),
        ("", "ID must not be empty"),
        (".", "'.' is disallowed"),
        ("..", "'..' is disallowed"),
        ("...", None),
        *((f"a{character}b", f"'a{character}b' contains invalid characters") for character in "/\\\t\n\0\x1f\x7f"),
    ],
)
def test_ids(value: str, why: str | None) -> None:
    assert validate_id(value) == why


@pytest.mark.parametrize(
    ("container_id", "why"),
    [
        ({"value": "a*b:c"}, None),
        ({"value": "a" * 242}, None),
        ({"value": "a" * 243}, f"'ContainerID.value' '{'a' * 243}' exceeds 242 characters"),
        ({"value": "a.b"}, "'ContainerID.value' 'a.b' contains invalid characters"),
        ({"value": "a b"}, "'ContainerID.value' 'a b' contains invalid characters"),
        (
            {"value": "ok", "parent": {"value": "b/"}},
            "'ContainerID.parent' is invalid: 'b/' contains invalid characters",
        ),
        (_nested(CONTAINER_NESTING_MAX - 1), None),
        (_nested(CONTAINER_NESTING_MAX), f"Containers nest at most {CONTAINER_NESTING_MAX} deep"),
    ],
)
def test_container_ids(container_id: dict[str, Any], why: str | None) -> None:
    assert validate_container_id(msgspec.convert(container_id, ContainerID)) == why


_WHITESPACE = "is invalid because it contains backspace or whitespace"


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("*", None),
        ("a/b/c", None),
        ("a*b", None),
        ("é", None),
        ("a\bb", None),
        ("a\u00a0b", None),
        ("a" * 300, None),
        ("", "Role names cannot be the empty string"),
        ("/", "Role '/' cannot start with a slash"),
        ("a/", "Role 'a/' cannot end with a slash"),
        ("./", "Role './' cannot end with a slash"),
        ("a//b", "Role 'a//b' cannot contain two adjacent slashes"),
        (".", "Role '.' cannot include '.' as a component"),
        ("a/..", "Role 'a/..' cannot include '..' as a component"),
        ("*/a", "Role '*/a' cannot include '*' as a component"),
        ("a/-b", "Role component '-b' is invalid because it starts with a dash"),
        ("-/ ", "Role component '-' is invalid because it starts with a dash"),
        *((f"r/a{space}b", f"Role component 'a{space}b' {_WHITESPACE}") for space in " \t\n\v\f\r\x7f"),
    ],
)
def test_roles(role: str, why: str | None) -> None:
    assert validate_role(role) == why


_MULTI_ROLE = [FrameworkInfo.Capability(type=FrameworkInfo.Capability.Type.MULTI_ROLE)]


def _quantities(*quantities: dict[str, float]) -> dict[str, OfferFilters]:
    resource_quantities = [
        OfferFilters.ResourceQuantities(quantities={name: Value.Scalar(value=value) for name, value in one.items()})
        for one in quantities
    ]
    minimum = OfferFilters.MinAllocatableResources(quantities=resource_quantities)
    return {"r": OfferFilters(min_allocatable_resources=minimum)}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({}, None),
        ({"role": "*"}, None),
        ({"roles": [], "capabilities": _MULTI_ROLE}, None),
        ({"role": "a b"}, f"'FrameworkInfo.role' is not a valid role: Role component 'a b' {_WHITESPACE}"),
        (
            {"roles": ["/x"], "role": "/y"},
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        (
            {"roles": ["/x"], "role": "*", "capabilities": _MULTI_ROLE},
            "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
        ),
        (
            {"roles": ["b", "/a", "b", "/a", "c"], "capabilities": _MULTI_ROLE},
            "'FrameworkInfo.roles' contains duplicate items: { /a, b }",
        ),
        (
            {"roles": ["a", "/b"], "capabilities": _MULTI_ROLE},
            "'FrameworkInfo.roles' contains invalid role: Role '/b' cannot start with a slash",
        ),
        ({"id": FrameworkID(value="")}, None),
        ({"id": FrameworkID(value="a/b"), "failover_timeout": 1e300}, "'a/b' contains invalid characters"),
        ({"offer_filters": _quantities()}, None),
        ({"offer_filters": {"r": OfferFilters()}}, None),
        ({"offer_filters": _quantities({"cpus": 0.0})}, None),
        (
            {"offer_filters": _quantities({"cpus": 1.0}, {}), "failover_timeout": 1e300},
            "Resource quantities must contain at least one quantity",
        ),
        (
            {"offer_filters": _quantities({"cpus": -1.0, "a": -1.0})},
            "Invalid resource quantity for 'a': Negative values not supported",
        ),
        (
            {"offer_filters": _quantities({"cpus": math.inf})},
            "Invalid resource quantity for 'cpus': Infinite values not supported",
        ),
        (
            {"offer_filters": _quantities({"cpus": 1e-310})},
            "Invalid resource quantity for 'cpus': Subnormal values not supported",
        ),
        ({"failover_timeout": -1.0}, None),
        ({"failover_timeout": 9223372036.0}, None),
        ({"failover_timeout": 9223372037.0}, "The framework failover_timeout (9.22337e+09) is invalid"),
        ({"failover_timeout": -1e10}, "The framework failover_timeout (-1e+10) is invalid"),
        ({"failover_timeout": math.inf}, "The framework failover_timeout (inf) is invalid"),
        ({"failover_timeout": math.nan}, "The framework failover_timeout (nan) is invalid"),
    ],
)
def test_framework_infos(members: dict[str, Any], why: str | None) -> None:
    assert validate_framework_info(FrameworkInfo(user="u", name="n", **members)) == why


_EXISTS = {"selector": {"attribute_name": "x"}, "predicate": {"exists": {}}}


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ([{"attribute_constraints": [_EXISTS]}], None),
        ([], "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role a"),
        (
            [{"attribute_constraints": [_EXISTS]}, {}],
            "'OfferConstraints::RoleConstraints::groups' for role a contains an empty RoleConstraints::Group",
        ),
        (
            [{"attribute_constraints": [{**_EXISTS, "selector": {}}]}],
            (
                "A role a has an invalid 'AttributeConstraint': Exactly one of 'AttributeConstraint::Selector::name' "
                "or 'AttributeConstraint::Selector::pseudoattribute_type' must be set"
            ),
        ),
        (
            [{"attribute_constraints": [{**_EXISTS, "selector": {"pseudoattribute_type": "UNKNOWN"}}]}],
            "A role a has an invalid 'AttributeConstraint': Unknown pseudoattribute type",
        ),
        (
            [{"attribute_constraints": [{**_EXISTS, "predicate": {}}]}],
            "A role a has an invalid 'AttributeConstraint': Unknown predicate type",
        ),
    ],
)
def test_offer_constraints(groups: list[dict[str, Any]], why: str | None) -> None:
    constraints = msgspec.convert({"role_constraints": {"a": {"groups": groups}}}, scheduler.OfferConstraints)
    assert validate_offer_constraints(constraints) == why


def test_environments() -> None:
    variable = Environment.Variable
    secret = Secret(type=Secret.Type.REFERENCE, reference=Secret.Reference(name="s"))
    named = "Environment variable 'A' of type"
    for one, why in (
        (variable(name="A", value=""), None),
        (variable(name="A", value="", secret=secret), f"{named} 'VALUE' must not have a secret set"),
        (variable(name="A", type=variable.Type.SECRET, secret=secret), None),
        (variable(name="A", type=variable.Type.SECRET), f"{named} 'SECRET' must have a secret set"),
        (
            variable(name="A", type=variable.Type.SECRET, value="", secret=secret),
            f"{named} 'SECRET' must not have a value set",
        ),
        (variable(name="A", type=variable.Type.UNKNOWN), "Environment variable of type 'UNKNOWN' is not allowed"),
    ):
        assert validate_environment(Environment(variables=[variable(name="B", value="b"), one])) == why
