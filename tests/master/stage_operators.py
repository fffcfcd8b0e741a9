"""What plays have operators and other masters do, and what a play may look at."""

from __future__ import annotations

from tepui.master.events import LegacyCall, MirrorSubscribe, OperatorCall, WhitelistRead
from tepui.master.mirror import Mirror
from tepui.model.operators import time_info
from tepui.model.quantities import quantities_text
from tepui.model.shell import ExtensionCall
from tepui.model.v1 import master, mesos
from tepui.model.v1.google import Duration
from tepui.model.v1.maintenance import Schedule, Window
from tepui.model.v1.mesos import AgentID, FrameworkID, Value
from tests.master.spelling import BEGIN, Options, Words, machines, merged, parse, resources
from tests.master.stage_base import StageBase


class Operators(StageBase):
    """Operators' calls, mirrors, the white list; and looks at the master's record."""

    def do_operator(self, rest: str) -> None:
        words, options = parse(rest)
        kinds = master.Call.Type
        call = master.Call(type=kinds[words[1]])
        if len(words) > 2:
            self.resources_call(call, words[2:], self.own(options.pop("agent", "S0")))
        if call.type is kinds.TEARDOWN:
            name = FrameworkID(value=self.own(options["framework"]))
            call.teardown = master.Call.Teardown(framework_id=name)
        agent_id = AgentID(value=self.own(options.get("agent", "")))
        if call.type is kinds.DRAIN_AGENT:
            grace = Duration(seconds=int(options["grace"])) if "grace" in options else None
            gone = options.get("mark_gone") == "yes"
            call.drain_agent = master.Call.DrainAgent(agent_id=agent_id, max_grace_period=grace, mark_gone=gone)
        elif call.type is kinds.DEACTIVATE_AGENT:
            call.deactivate_agent = master.Call.DeactivateAgent(agent_id=agent_id)
        elif call.type is kinds.REACTIVATE_AGENT:
            call.reactivate_agent = master.Call.ReactivateAgent(agent_id=agent_id)
        elif call.type is kinds.MARK_AGENT_GONE:
            call.mark_agent_gone = master.Call.MarkAgentGone(agent_id=agent_id)
        elif call.type is kinds.UPDATE_MAINTENANCE_SCHEDULE:
            call.update_maintenance_schedule = master.Call.UpdateMaintenanceSchedule(schedule=self.schedule(options))
        elif call.type is kinds.START_MAINTENANCE:
            call.start_maintenance = master.Call.StartMaintenance(machines=machines(options.get("machines", "")))
        elif call.type is kinds.STOP_MAINTENANCE:
            call.stop_maintenance = master.Call.StopMaintenance(machines=machines(options.get("machines", "")))
        self.do(OperatorCall(1, words[0], options.get("principal"), merged(call, options.get("json"))))

    def schedule(self, options: Options) -> Schedule:
        """`machines=HOST@IP,... start=SECONDS [duration=SECONDS]`; several windows are written `machines=A/B`."""
        if "machines" not in options:
            return Schedule()
        planned = mesos.Unavailability(start=time_info(BEGIN + float(options["start"])))
        if "duration" in options:
            planned.duration = mesos.DurationInfo(nanoseconds=int(float(options["duration"]) * 1e9))
        windows = [machines(text) for text in options["machines"].split("/")]
        return Schedule(windows=[Window(machine_ids=window, unavailability=planned) for window in windows])

    def resources_call(self, call: master.Call, words: Words, agent: str) -> None:
        """`operator o1 RESERVE_RESOURCES WHAT [FROM] [agent=]`, and so on as in `conversion`."""
        assert call.type is not None
        calls, agent_id = master.Call, AgentID(value=agent)
        first = resources(words[0])
        if call.type is calls.Type.RESERVE_RESOURCES:
            source = resources(words[1]) if len(words) > 1 else []
            call.reserve_resources = calls.ReserveResources(agent_id=agent_id, source=source, resources=first)
        elif call.type is calls.Type.UNRESERVE_RESOURCES:
            call.unreserve_resources = calls.UnreserveResources(agent_id=agent_id, resources=first)
        elif call.type is calls.Type.CREATE_VOLUMES:
            call.create_volumes = calls.CreateVolumes(agent_id=agent_id, volumes=first)
        elif call.type is calls.Type.DESTROY_VOLUMES:
            call.destroy_volumes = calls.DestroyVolumes(agent_id=agent_id, volumes=first)
        elif call.type is calls.Type.GROW_VOLUME:
            more = resources(words[1])[0]
            call.grow_volume = calls.GrowVolume(agent_id=agent_id, volume=first[0], addition=more)
        elif call.type is calls.Type.SHRINK_VOLUME:
            less = Value.Scalar(value=float(words[1]))
            call.shrink_volume = calls.ShrinkVolume(agent_id=agent_id, volume=first[0], subtract=less)

    def do_whitelist(self, rest: str) -> None:
        """`whitelist HOST,...`, or `all`."""
        self.do(WhitelistRead(None if rest == "all" else frozenset(rest.split(","))))

    def do_legacy(self, rest: str) -> None:
        words, options = parse(rest)
        form = {"frameworkId": self.own(options["framework"])} if "framework" in options else {}
        self.do(LegacyCall(1, None, words[0], words[1], {}, form, options.get("path", "")))

    def do_extension(self, rest: str) -> None:
        """`extension NAME [key=value ...]`: ids may leave the master's name out."""
        words, options = parse(rest)
        arguments = {
            key: self.own(value) if key in ("framework_id", "agent_id", "offer_id") else value
            for key, value in options.items()
        }
        self.do(ExtensionCall(1, None, words[0], arguments))

    def do_mirror(self, rest: str) -> None:
        """`mirror STREAM`: another master mirrors this one. The parts that it is told are shown when it is `loud`."""
        self.mirrors[rest] = Mirror()
        self.do(MirrorSubscribe(1, rest, None))

    def do_mirrored(self, rest: str) -> None:
        """`mirrored STREAM`: how old the mirror's picture is, and who uses what in it."""
        mirror = self.mirrors[rest]
        self.lines.append(f"revision {mirror.revision_text} of {mirror.age_seconds(self.now):g} s ago")
        for agent_id, consumed in mirror.consumption(self.now).items():
            roles = ", ".join(f"{role} {quantities_text(amounts)}" for role, amounts in consumed.items())
            self.lines.append(f"{agent_id}: {roles or 'nothing'}")

    def do_story(self, rest: str) -> None:
        """`story ID ...`: what the core remembers of it."""
        self.lines += self.core.story(*(self.own(name) for name in rest.split()))

    def do_tasks(self, rest: str) -> None:
        """`tasks STREAM`: how the framework's tasks stand in the master's record."""
        name = self.frameworks[rest]
        state = self.core.state
        framework = state.frameworks.get(name) or state.completed_frameworks[name]
        for title, tasks in (
            ("task", framework.tasks.values()),
            ("unreachable", framework.unreachable_tasks.values()),
            ("completed", framework.completed_tasks),
        ):
            for task in tasks:
                statuses = " ".join(kept.state.name.removeprefix("TASK_") for kept in task.statuses)
                self.lines.append(f"{title} {task.task_id} {task.state.name} on {task.agent_id}: {statuses}")
