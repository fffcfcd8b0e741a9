"""What plays have agents do."""

from __future__ import annotations

from tepui.master.events import LinkClosed, LinkOpened, LinkReceived
from tepui.model import link
from tepui.model.short_tasks import ShortTasks, attributes_of
from tepui.model.v1 import mesos
from tepui.model.v1.mesos import AgentID, AgentInfo, FrameworkID, OperationID, TaskID, TaskState, TaskStatus, Value
from tests.master.spelling import (
    Operation,
    Options,
    Words,
    conversion,
    executor_info,
    framework_info,
    parse,
    resources,
    uuid_of,
)
from tests.master.stage_base import StageBase


class Agents(StageBase):
    """Agents' links, and what they say over them."""

    def do_holds(self, rest: str) -> None:
        """`holds framework|executor|task ...`: what the next agent's snapshot says.

        `holds task NAME [state=] [pending=STATE/UUID] ...`: its latest state, and the update that is not acknowledged.
        """
        words, options = parse(rest)
        framework_id = self.own(options.get("framework", "0000"))
        if words[0] == "framework":
            info = framework_info(options)
            info.id = FrameworkID(value=self.own(words[1]))
            self.snapshot.frameworks.append(info)
            return
        if words[0] == "executor":
            executor = executor_info(words[1], options)
            executor.framework_id = FrameworkID(value=framework_id)
            executor.resources = resources(options.get("executor_resources", "cpus{a}:0.1;mem{a}:32"))
            held = link.HeldExecutor(framework_id=framework_id, info=executor, container_id="c")
            self.snapshot.executors.append(held)
            return
        if words[0] == "resources":
            self.snapshot.resources += resources(words[1])
            return
        if words[0] == "operation":
            self.snapshot.operations.append(self.held_operation(words[1:], options))
            return
        defaults = {"resources": "cpus{a}:1;mem{a}:32", **options}
        name = defaults.pop("executor", "")
        pending = defaults.pop("pending", "")
        info_ = self.task(words[1], options.get("agent", "S0"), defaults, with_executor=False)
        task = link.HeldTask(
            framework_id=framework_id,
            info=info_,
            state=TaskState[f"TASK_{options.get('state', 'RUNNING')}"],
            executor_id=name,
        )
        if pending:
            state, uuid = pending.split("/")
            task.pending = TaskStatus(task_id=info_.task_id, state=TaskState[f"TASK_{state}"], uuid=uuid_of(uuid))
        self.snapshot.tasks.append(task)

    def held_operation(self, words: Words, options: Options) -> mesos.Operation:
        """`holds operation NAME OPERATION ... id= [uuid=] [state=] [framework=]`"""
        status = self.operation_status(options.get("state", "FINISHED"), options)
        framework_id = self.own(options.get("framework", "0000"))
        info = Operation(type=Operation.Type[words[1].upper()], id=status.operation_id)
        return mesos.Operation(
            framework_id=FrameworkID(value=framework_id) if framework_id else None,
            info=conversion(info, words[1:]),
            latest_status=status,
            statuses=[status],
            uuid=mesos.UUID(value=self.operation_uuid(words[0])),
        )

    def operation_uuid(self, name: str) -> bytes:
        """That of an operation that the master named (`u0` is the first one), or one of the play's own."""
        return self.operations[int(name[1:])] if name[1:].isdigit() and name[0] == "u" else uuid_of(name)

    def operation_status(self, state: str, options: Options) -> mesos.OperationStatus:
        return mesos.OperationStatus(
            operation_id=OperationID(value=options["id"]) if "id" in options else None,
            state=mesos.OperationState[f"OPERATION_{state}"],
            uuid=mesos.UUID(value=uuid_of(options["uuid"])) if "uuid" in options else None,
            message=options.get("message"),
        )

    def do_applied(self, rest: str) -> None:
        """`applied LINK OPERATION [STATE] [id=] [uuid=] [framework=]`: an agent tells of an operation by its place."""
        words, options = parse(rest)
        state = words[2] if len(words) > 2 else "FINISHED"
        framework_id = "" if options.get("framework") == "none" else self.own(options.get("framework", "0000"))
        message = link.OperationUpdate(
            operation_uuid=self.operation_uuid(words[1]),
            framework_id=framework_id,
            status=self.operation_status(state, options),
        )
        self.do(LinkReceived(words[0], message))

    def do_corrects(self, rest: str) -> None:
        """`corrects LINK [RESOURCES]`: an agent says what it has checkpointed."""
        words, _ = parse(rest)
        checkpointed = resources(words[1]) if len(words) > 1 else []
        self.do(LinkReceived(words[0], link.CheckpointedResources(resources=checkpointed)))

    def do_operations(self, rest: str) -> None:
        """`operations AGENT`: how the agent's operations stand, and what it has."""
        agent = self.core.state.agents[self.own(rest)]
        self.lines.append(f"has {agent.total}")
        for operation in agent.operations.values():
            name = "" if operation.info.id is None else f" {operation.info.id.value}"
            kind = "" if operation.info.type is None else operation.info.type.name
            owner = operation.framework_id or "an operator"
            self.lines.append(f"{kind}{name} of {owner}: {operation.latest.state.name}")

    def do_agent(self, rest: str) -> None:
        """`agent LINK ...`: an agent connects and says hello, with what it holds."""
        words, options = parse(rest)
        name = words[0]
        self.do(LinkOpened(name, options.get("address", "10.0.0.1")))
        self.do(LinkReceived(name, self.hello(name, options)))
        snapshot, self.snapshot = self.snapshot, link.Snapshot()
        self.do(LinkReceived(name, snapshot))

    def hello(self, name: str, options: Options) -> link.Hello:
        info = AgentInfo(
            hostname=options.get("host", "h"),
            port=int(options.get("port", "5051")),
            resources=resources(options.get("resources", "cpus:4;mem:4096")),
        )
        if "attributes" in options:
            text = Value.Text(value=options["attributes"])
            info.attributes = [mesos.Attribute(name="rack", type=Value.Type.TEXT, text=text)]
        if "height" in options:
            scalar = Value.Scalar(value=float(options["height"]))
            info.attributes.append(mesos.Attribute(name="height", type=Value.Type.SCALAR, scalar=scalar))
        if "short" in options:
            role, seconds = options["short"].split(":")
            info.attributes += attributes_of(ShortTasks(role, float(seconds)))
        if "domain" in options:
            fault = mesos.DomainInfo.FaultDomain
            region, zone = options["domain"].split("/")
            info.domain = mesos.DomainInfo(
                fault_domain=fault(region=fault.RegionInfo(name=region), zone=fault.ZoneInfo(name=zone))
            )
        return link.Hello(
            protocol_oldest=int(options.get("oldest", "1")),
            protocol_newest=int(options.get("newest", "1")),
            software="0.1.0",
            agent_id=self.own(options.get("id", "")),
            incarnation=options.get("run", "run-" + name),
            link_id=name,
            epoch=int(options.get("epoch", "0")),
            draining=options.get("draining") == "yes",
            info=info,
            capabilities=[part for part in options.get("capabilities", "").split(",") if part],
        )

    def do_open_link(self, rest: str) -> None:
        self.do(LinkOpened(rest, "10.0.0.1"))

    def do_hello(self, rest: str) -> None:
        words, options = parse(rest)
        self.do(LinkReceived(words[0], self.hello(words[0], options)))

    def do_snapshot(self, rest: str) -> None:
        """`snapshot LINK [more]`: what the agent holds, or a part of it."""
        name, _, more = rest.partition(" ")
        snapshot, self.snapshot = self.snapshot, link.Snapshot()
        snapshot.more = more == "more"
        self.do(LinkReceived(name, snapshot))

    def do_lose(self, rest: str) -> None:
        self.do(LinkClosed(rest, "lost"))

    def do_pong(self, rest: str) -> None:
        self.do(LinkReceived(rest, link.Pong()))

    def do_unregister(self, rest: str) -> None:
        self.do(LinkReceived(rest, link.Unregister()))

    def do_update(self, rest: str) -> None:
        """`update LINK TASK STATE UUID [latest=] [framework=] [reason=] [source=] [data=] [message=]`"""
        words, options = parse(rest)
        state = TaskState[f"TASK_{words[2]}"]
        status = TaskStatus(
            task_id=TaskID(value=words[1]),
            state=state,
            source=TaskStatus.Source[f"SOURCE_{options.get('source', 'EXECUTOR')}"],
            timestamp=self.now,
            uuid=uuid_of(words[3]) if len(words) > 3 else None,
            message=options.get("message"),
        )
        link_record = self.core.context.links.get(words[0])
        if link_record is not None and link_record.agent is not None:
            status.agent_id = AgentID(value=link_record.agent.agent_id)
        if "reason" in options:
            status.reason = TaskStatus.Reason[f"REASON_{options['reason']}"]
        if "data" in options:
            status.data = options["data"].encode()
        if "healthy" in options:
            status.healthy = options["healthy"] == "yes"
        latest = TaskState[f"TASK_{options['latest']}"] if "latest" in options else state
        framework_id = self.own(options.get("framework", "0000"))
        self.do(LinkReceived(words[0], link.StatusUpdate(framework_id=framework_id, status=status, latest=latest)))

    def do_exited(self, rest: str) -> None:
        words, options = parse(rest)
        framework_id = self.own(options.get("framework", "0000"))
        message = link.ExecutorExited(
            framework_id=framework_id, executor_id=words[1], status=int(options.get("status", "0"))
        )
        self.do(LinkReceived(words[0], message))

    def do_executor_message(self, rest: str) -> None:
        words, options = parse(rest)
        framework_id = self.own(options.get("framework", "0000"))
        message = link.ExecutorMessage(framework_id=framework_id, executor_id=words[1], data=words[2].encode())
        self.do(LinkReceived(words[0], message))
