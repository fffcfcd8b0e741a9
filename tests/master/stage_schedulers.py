"""What plays have schedulers do."""

from __future__ import annotations

from tepui.master.events import SchedulerSubscribe
from tepui.model.shell import SessionBacklog, SessionClosed
from tepui.model.v1 import mesos, scheduler
from tepui.model.v1.mesos import AgentID, ExecutorID, FrameworkID, OfferID, OperationID, TaskID
from tests.master.spelling import Operation, conversion, executor_info, framework_info, merged, parse, uuid_of
from tests.master.stage_base import StageBase

Call = scheduler.Call


class Schedulers(StageBase):
    """Schedulers' streams and calls."""

    def do_subscribe(self, rest: str) -> None:
        words, options = parse(rest)
        stream = words[0]
        info = framework_info(options)
        call = Call(type=Call.Type.SUBSCRIBE)
        if "id" in options:
            info.id = call.framework_id = FrameworkID(value=self.own(options["id"]))
        suppressed = [role for role in options.get("suppressed", "").split(",") if role]
        subscribe = Call.Subscribe(framework_info=info, suppressed_roles=suppressed)
        call.subscribe = merged(subscribe, options.get("more"))
        self.frameworks.setdefault(stream, options.get("id", f"{self.master}-{self.core.context.next_framework:04d}"))
        self.frameworks[stream] = self.own(self.frameworks[stream])
        self.do(SchedulerSubscribe(1, stream, options.get("principal"), call))

    def offers(self, stream: str, text: str) -> list[str]:
        """`O1,O2`, or `all` that the framework holds."""
        if text == "all":
            return list(self.core.state.frameworks[self.frameworks[stream]].offers)
        return [self.own(name) for name in text.split(",")]

    def do_accept(self, rest: str) -> None:
        head, *parts = [part.strip() for part in rest.split(" | ")]
        words, options = parse(head)
        names = self.offers(words[0], words[1]) if len(words) > 1 else []
        accept = Call.Accept(offer_ids=[OfferID(value=name) for name in names])
        if "refuse" in options:
            accept.filters = mesos.Filters(refuse_seconds=float(options["refuse"]))
        offer = self.core.state.offers.get(names[0]) if names else None
        agent = offer.agent_id if offer is not None else self.own("S0")
        accept.operations = [self.operation(part, agent) for part in parts]
        self.call(words[0], options, Call(type=Call.Type.ACCEPT, accept=accept))

    def operation(self, text: str, agent: str) -> Operation:
        words, options = parse(text)
        kind = Operation.Type[{"launch": "LAUNCH", "group": "LAUNCH_GROUP"}.get(words[0], words[0].upper())]
        operation = Operation(type=kind)
        if "id" in options:
            operation.id = OperationID(value=options["id"])
        if words[0] not in ("launch", "group"):
            return merged(conversion(operation, words), options.get("json"))  # type: ignore[no-any-return]
        names = words[1].split(",") if len(words) > 1 else []
        tasks = [self.task(name, agent, options, with_executor=words[0] == "launch") for name in names]
        if words[0] == "launch":
            operation.launch = Operation.Launch(task_infos=tasks)
        elif words[0] == "group" and names:
            group = mesos.TaskGroupInfo(tasks=tasks)
            executor = merged(executor_info(options["executor"], options), options.get("executor_json"))
            operation.launch_group = Operation.LaunchGroup(executor=executor, task_group=group)
        elif words[0] == "group":
            none = mesos.TaskGroupInfo()
            operation.launch_group = Operation.LaunchGroup(executor=executor_info("x", options), task_group=none)
        return operation

    def do_decline(self, rest: str) -> None:
        words, options = parse(rest)
        ids = [OfferID(value=name) for name in self.offers(words[0], words[1])]
        decline = Call.Decline(offer_ids=ids)
        if "refuse" in options:
            decline.filters = mesos.Filters(refuse_seconds=float(options["refuse"]))
        self.call(words[0], options, Call(type=Call.Type.DECLINE, decline=decline))

    def do_revive(self, rest: str) -> None:
        words, options = parse(rest)
        revive = Call.Revive(roles=words[1].split(",")) if len(words) > 1 else None
        self.call(words[0], options, Call(type=Call.Type.REVIVE, revive=revive))

    def do_suppress(self, rest: str) -> None:
        words, options = parse(rest)
        suppress = Call.Suppress(roles=words[1].split(",")) if len(words) > 1 else None
        self.call(words[0], options, Call(type=Call.Type.SUPPRESS, suppress=suppress))

    def do_kill(self, rest: str) -> None:
        words, options = parse(rest)
        kill = Call.Kill(task_id=TaskID(value=words[1]))
        if "agent" in options:
            kill.agent_id = AgentID(value=self.own(options["agent"]))
        if "grace" in options:
            duration = mesos.DurationInfo(nanoseconds=int(float(options["grace"]) * 1e9))
            kill.kill_policy = mesos.KillPolicy(grace_period=duration)
        self.call(words[0], options, Call(type=Call.Type.KILL, kill=kill))

    def do_acknowledge(self, rest: str) -> None:
        words, options = parse(rest)
        acknowledge = Call.Acknowledge(
            task_id=TaskID(value=words[1]),
            uuid=uuid_of(words[2]),
            agent_id=AgentID(value=self.own(options.get("agent", "S0"))),
        )
        self.call(words[0], options, Call(type=Call.Type.ACKNOWLEDGE, acknowledge=acknowledge))

    def do_acknowledge_operation(self, rest: str) -> None:
        """`acknowledge_operation STREAM OPERATION UUID [agent=]`"""
        words, options = parse(rest)
        acknowledge = Call.AcknowledgeOperationStatus(
            operation_id=OperationID(value=words[1]),
            uuid=bytes.fromhex(words[2]) if len(words[2]) == 32 else uuid_of(words[2]),
            agent_id=AgentID(value=self.own(options.get("agent", "S0"))),
        )
        self.call(
            words[0],
            options,
            Call(type=Call.Type.ACKNOWLEDGE_OPERATION_STATUS, acknowledge_operation_status=acknowledge),
        )

    def do_reconcile(self, rest: str) -> None:
        words, options = parse(rest)
        reconcile = Call.Reconcile()
        for word in words[1:]:
            name, _, agent = word.partition("@")
            wanted = Call.Reconcile.Task(task_id=TaskID(value=name))
            if agent:
                wanted.agent_id = AgentID(value=self.own(agent))
            reconcile.tasks.append(wanted)
        self.call(words[0], options, Call(type=Call.Type.RECONCILE, reconcile=reconcile))

    def do_reconcile_operations(self, rest: str) -> None:
        words, options = parse(rest)
        call = Call.ReconcileOperations()
        for word in words[1:]:
            name, _, agent = word.partition("@")
            wanted = Call.ReconcileOperations.Operation(operation_id=OperationID(value=name))
            if agent:
                wanted.agent_id = AgentID(value=self.own(agent))
            call.operations.append(wanted)
        self.call(words[0], options, Call(type=Call.Type.RECONCILE_OPERATIONS, reconcile_operations=call))

    def do_message(self, rest: str) -> None:
        words, options = parse(rest)
        agent = AgentID(value=self.own(options.get("agent", "S0")))
        message = Call.Message(agent_id=agent, executor_id=ExecutorID(value=words[1]), data=words[2].encode())
        self.call(words[0], options, Call(type=Call.Type.MESSAGE, message=message))

    def do_shutdown(self, rest: str) -> None:
        words, options = parse(rest)
        agent = AgentID(value=self.own(options.get("agent", "S0")))
        shutdown = Call.Shutdown(executor_id=ExecutorID(value=words[1]), agent_id=agent)
        self.call(words[0], options, Call(type=Call.Type.SHUTDOWN, shutdown=shutdown))

    def do_update_framework(self, rest: str) -> None:
        words, options = parse(rest)
        info = framework_info(options)
        info.id = FrameworkID(value=self.framework_id(words[0], options))
        suppressed = [role for role in options.get("suppressed", "").split(",") if role]
        update = Call.UpdateFramework(framework_info=info, suppressed_roles=suppressed)
        update = merged(update, options.get("more"))
        self.call(words[0], options, Call(type=Call.Type.UPDATE_FRAMEWORK, update_framework=update))

    def do_call(self, rest: str) -> None:
        """`call STREAM TYPE`: a call without a member, but for what `more` adds."""
        words, options = parse(rest)
        self.call(words[0], options, merged(Call(type=Call.Type[words[1]]), options.get("more")))

    def do_answer_inverse(self, rest: str) -> None:
        """`answer_inverse STREAM OFFERS accept|decline [refuse=SECONDS]`"""
        words, options = parse(rest)
        names = words[1].split(",")
        if words[1] == "all":
            names = list(self.core.state.frameworks[self.frameworks[words[0]]].inverse_offers)
        ids = [OfferID(value=self.own(name)) for name in names]
        filters = mesos.Filters(refuse_seconds=float(options["refuse"])) if "refuse" in options else None
        if words[2] == "accept":
            accepted = Call.AcceptInverseOffers(inverse_offer_ids=ids, filters=filters)
            call = Call(type=Call.Type.ACCEPT_INVERSE_OFFERS, accept_inverse_offers=accepted)
        else:
            declined = Call.DeclineInverseOffers(inverse_offer_ids=ids, filters=filters)
            call = Call(type=Call.Type.DECLINE_INVERSE_OFFERS, decline_inverse_offers=declined)
        self.call(words[0], options, call)

    def do_teardown(self, rest: str) -> None:
        self.do_call(rest + " TEARDOWN")

    def do_close(self, rest: str) -> None:
        self.do(SessionClosed(rest))

    def do_backlog(self, rest: str) -> None:
        stream, _, how = rest.partition(" ")
        self.do(SessionBacklog(stream, how == "full"))
