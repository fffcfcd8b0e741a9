"""The two recorded conversations, step by step: everything on one cluster, and a master's restart."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.conformance import captures, departures
from tests.conformance.client import Event, call, get_json, json_call
from tests.conformance.cluster import wait_until
from tests.conformance.scenario import (
    STEP_TIMEOUT_SECONDS,
    Framework,
    Observation,
    Scenario,
)
from tests.conformance.shape import event_key

RECORDED_MASTER = "de5294db-2359-4a89-9a71-acb7dcf649e5"
RECORDED_RESTART_MASTER = "ff9e06f5-2a88-459d-a452-cfbd2a500177"
RECORDED_NEW_MASTER = "04183bf4-15b6-47df-8bb8-7acce7746881"
RECORDED_UNAVAILABILITY_START = "1795227302634029568"
MASTER_FLAGS = ("--agent_ping_timeout=1secs", "--max_agent_ping_timeouts=3")
AGENT_FLAGS = ("--executor_shutdown_grace_period=2secs",)
HEARTBEAT_TIMEOUT_SECONDS = 20.0
HOUR_NANOSECONDS = 3600 * 10**9

DROPPED = ("FRAMEWORK_REMOVED", "capture-drop")

# Data of tasks: what the test executor is to do, in base64.
RUN, CRASH, HANG, LEAVE = "cnVu", "Y3Jhc2g=", "aGFuZw==", "bGVhdmU="


def offers_of(event: Event) -> list[Event]:
    return event["offers"]["offers"] if event["type"] == "OFFERS" else []


def is_update(event: Event, task_id: str, state: str) -> bool:
    if event["type"] != "UPDATE":
        return False
    status = event["update"]["status"]
    return bool(status["task_id"]["value"] == task_id and status["state"] == state)


def is_agent_failure(event: Event) -> bool:
    return event["type"] == "FAILURE" and "executor_id" not in event["failure"]


class Conversation(Scenario):
    """The long recording: an empty cluster, bad calls, a scheduler's life, operators, loss, drain, teardown."""

    def play(self) -> None:
        self.agent_ids = [self.cluster.agent_id(agent) for agent in self.cluster.agents]
        master_id = self.agent_ids[0].removesuffix("-S0")
        self.names.bind(RECORDED_MASTER, master_id)
        for recorded, ours in departures.WORDS.items():
            self.names.bind(recorded, ours)
        for number, agent in enumerate(self.cluster.agents, start=1):
            self.names.bind(f"/RUN/agent{number}/agents/0/work", str(agent.sandbox_root))
            self.names.bind(f"/RUN/agent{number}", str(agent.work_directory))
        steps: list[Callable[[], None]] = [
            self.empty_cluster,
            self.bad_calls,
            self.subscribe,
            self.simple_calls,
            self.launches,
            self.messages_and_reconciliation,
            self.kills,
            self.invalid_tasks,
            self.executor_crash,
            self.executor_shutdown,
            self.operations,
            self.failover,
            self.maintenance,
            self.long_running_tasks,
            self.operator_calls,
            self.legacy_endpoints,
            self.agent_endpoints,
            self.protobuf_streams,
            self.partition_aware,
            self.agent_loss,
            self.drain,
            self.heartbeats,
            self.teardown,
            self.executors,
        ]
        for step in steps:
            try:
                step()
            except (AssertionError, OSError, LookupError) as error:
                self.problems.append(f"{step.__name__}: {type(error).__name__}: {str(error)[:2000]}")

    def empty_cluster(self) -> None:
        self.replay_all("legacy-empty", 1, 39)

    def bad_calls(self) -> None:
        self.replay_all("bad", 1, 18)
        names = [name for name in captures.capture_names() if re.match(r"bad-(19|2\d)-", name)]
        for name in names:
            with self.open(name) as stream:
                recorded = captures.load(name)
                if recorded.ended:
                    stream.wait_closed()
                else:
                    framework = Framework(self.cluster.master_address, stream)
                    framework.wait(lambda f=framework: all(f.offers(agent_id) for agent_id in self.agent_ids))  # type: ignore[misc]
                    framework.call("TEARDOWN")
                    self.keep(name, stream)
                    stream.wait_closed()
                if recorded.ended:
                    self.keep(name, stream)

    def subscribe(self) -> None:
        self.operator_stream = self.open("oper-82-subscribe-events")
        self.operator_stream.wait(lambda event: event["type"] == "HEARTBEAT")
        stream = self.open("sched-01-subscribe-raw")
        self.main = Framework(self.cluster.master_address, stream)
        self.names.bind(f"{RECORDED_MASTER}-0002", self.main.framework_id)
        self._bind_stream_id("sched-01-subscribe-raw", stream.stream_id)
        self.expect(
            self.main.wait(lambda: all(self.main.offers(agent_id) for agent_id in self.agent_ids)),
            "offers of both agents",
        )
        self.keep("sched-01-subscribe-raw", stream)
        self.keep("sched-02-subscribe-events", stream)

    def _bind_stream_id(self, name: str, live: str) -> None:
        response = captures.load(name).response
        recorded = response.header("Mesos-Stream-Id") if response else None
        assert recorded is not None
        self.names.bind(recorded, live)

    def simple_calls(self) -> None:
        self.bind_offer("sched-05-decline", self.main, self.agent_ids[1])
        self.replay_all("sched", 3, 15)

    def launches(self) -> None:
        first, second = self.agent_ids
        start = len(self.main.stream.events)
        self.bind_offer("sched-16-accept-launch-executor", self.main, first)
        self.bind_offer("sched-17-accept-launch-command", self.main, second)
        self.main.held.add("t-finish")
        self.replay("sched-16-accept-launch-executor", "sched-17-accept-launch-command")
        self.expect(self.main.wait_states(("t-finish", "TASK_RUNNING"), since=start), "t-finish runs")
        recorded = captures.load("sched-18-acknowledge").request
        assert recorded is not None
        self.names.bind(json.loads(recorded.body)["acknowledge"]["uuid"], self.main.unacknowledged["t-finish"]["uuid"])
        self.main.held.discard("t-finish")
        self.replay("sched-18-acknowledge")
        states = [("t-finish", "TASK_FINISHED"), ("t-fail", "TASK_FAILED"), ("t-run", "TASK_RUNNING")]
        self.expect(self.main.wait_states(*states, since=start), f"updates {states}")
        states = [("c-true", "TASK_FINISHED"), ("c-exit7", "TASK_FAILED"), ("c-sleep", "TASK_RUNNING")]
        self.expect(self.main.wait_states(*states, since=start), f"updates {states}")
        events = self.main.stream.events
        self.main.wait(lambda: any(event["type"] == "MESSAGE" for event in events[start:]))
        self.main.wait(lambda: all(self.main.offers(agent_id, start) for agent_id in self.agent_ids))
        self.keep("sched-19-updates-events", self.main.stream, start)

    def _wait_for_master_tasks(self, wanted: set[str]) -> None:
        def tasks() -> set[str]:
            answer = self.cluster.operator({"type": "GET_TASKS"})
            return {task["task_id"]["value"] for task in answer["get_tasks"]["tasks"]}

        wait_until(lambda: tasks() == wanted, f"the master knows just {sorted(wanted)}", STEP_TIMEOUT_SECONDS)

    def messages_and_reconciliation(self) -> None:
        running = {"t-run", "c-sleep"}
        self._wait_for_master_tasks(running)
        stream, start = self.main.stream, len(self.main.stream.events)
        self.replay("sched-20-message", "sched-21-reconcile-implicit")
        self.main.wait(lambda: len(self._updates(start)) >= len(running))
        self.replay("sched-22-reconcile-explicit")
        self.main.wait(lambda: len(self._updates(start)) >= len(running) + 5)
        self.keep("sched-23-reconcile-events", stream, start)

    def _updates(self, start: int) -> list[Event]:
        return [event for event in self.main.stream.events[start:] if event["type"] == "UPDATE"]

    def kills(self) -> None:
        start = len(self.main.stream.events)
        self.replay_all("sched", 24, 27)
        states = [("t-run", "TASK_KILLED"), ("t-never", "TASK_LOST"), ("t-never2", "TASK_LOST")]
        self.expect(self.main.wait_states(*states, since=start), f"updates {states}")
        self.expect(self.main.wait_states(("c-sleep", "TASK_KILLED"), since=start), "c-sleep is killed")
        self.keep("sched-28-kill-events", self.main.stream, start)

    def invalid_tasks(self) -> None:
        first = self.agent_ids[0]
        self._wait_for_whole_offer(first)
        start = len(self.main.stream.events)
        self.bind_offer("sched-29-accept-invalid-tasks", self.main, first, cpus=3.9)
        self.replay("sched-29-accept-invalid-tasks", "sched-30-accept-offer-again", "sched-31-accept-unknown-offer")
        refused = ["v-big", "v-both", "v-neither", "v/slash", "v-nores", "v-wrongagent"]
        states = [(task_id, "TASK_ERROR") for task_id in refused]
        states += [("v-again", "TASK_LOST"), ("v-unknownoffer", "TASK_LOST")]
        self.expect(self.main.wait_states(*states, since=start), f"updates {states}")
        states = [("v-norole", "TASK_FINISHED"), ("v-nomem", "TASK_FINISHED")]
        self.expect(self.main.wait_states(*states, since=start), f"updates {states}")
        self.main.wait(lambda: bool(self.main.offers(first, start)))
        self.keep("sched-32-invalid-events", self.main.stream, start)

    def _wait_for_whole_offer(self, agent_id: str) -> None:
        """Give back crumbs of that agent until one offer holds all that its executors leave."""

        def whole() -> bool:
            if self.main.best_offer(agent_id, cpus=3.9) is not None:
                return True
            offers = self.main.offers(agent_id)
            if len(offers) > 1 or (offers and not self.main.best_offer(agent_id, cpus=3.9)):
                self._return_offers(self.main, agent_id)
            return False

        self.expect(self._poll(whole), f"one whole offer of {agent_id}")

    def _poll(self, condition: Callable[[], bool], timeout_seconds: float = STEP_TIMEOUT_SECONDS) -> bool:
        """Whether `condition`, which may send calls, came to hold; looked at after each event."""
        stream = self.main.stream
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            count = len(stream.events)
            self.main.pump()
            if condition():
                return True
            stream.find(lambda _: True, since=count, timeout_seconds=deadline - time.monotonic())
        return False

    def _return_offers(self, framework: Framework, agent_id: str, refuse_seconds: float = 0) -> None:
        offer_ids = [{"value": framework.take(offer)} for offer in framework.offers(agent_id)]
        if offer_ids:
            framework.call("DECLINE", decline={"offer_ids": offer_ids, "filters": {"refuse_seconds": refuse_seconds}})

    def executor_crash(self) -> None:
        first = self.agent_ids[0]
        self.main.held.add("x-run")
        start = len(self.main.stream.events)
        self.launch(self.main, first, "test", [("x-run", "e-crash", RUN), ("x-crash", "e-crash", CRASH)])
        states = [("x-run", "TASK_RUNNING"), ("x-crash", "TASK_FAILED")]
        self.expect(self.main.wait_states(*states, since=start), f"updates {states}")
        self._wait_for_failure(start)
        self.main.wait(lambda: bool(self.main.offers(first, start)))
        self.keep("sched-33-executor-crash-events", self.main.stream, start)

    def _wait_for_failure(self, start: int) -> None:
        events = self.main.stream.events
        came = self.main.wait(lambda: any(event["type"] == "FAILURE" for event in events[start:]))
        self.expect(came, "a FAILURE event")

    def executor_shutdown(self) -> None:
        first = self.agent_ids[0]
        start = len(self.main.stream.events)
        self.launch(self.main, first, "test", [("y-run", "e-shut", HANG)])
        self.expect(self.main.wait_states(("y-run", "TASK_RUNNING"), since=start), "y-run runs")
        self.replay("sched-34-shutdown-executor")
        self.expect(self.main.wait_states(("y-run", "TASK_FAILED"), since=start), "y-run fails")
        self._wait_for_failure(start)
        self.main.wait(lambda: bool(self.main.offers(first, start)))
        self.keep("sched-35-shutdown-executor-events", self.main.stream, start)

    def operations(self) -> None:
        first = self.agent_ids[0]
        self._wait_for_whole_offer(first)
        start = len(self.main.stream.events)
        self.bind_offer("sched-36-accept-reserve-create", self.main, first)
        self.replay("sched-36-accept-reserve-create")
        self.main.wait(lambda: len(self._operation_updates(start)) >= 2)
        for name, event in zip(
            ("sched-37-acknowledge-operation", "sched-38-acknowledge-operation"),
            self._operation_updates(start),
            strict=False,
        ):
            recorded = captures.load(name).request
            assert recorded is not None
            live = event["update_operation_status"]["status"].get("uuid")
            if live is not None:
                self.names.bind(json.loads(recorded.body)["acknowledge_operation_status"]["uuid"], live["value"])
        self.replay("sched-37-acknowledge-operation", "sched-38-acknowledge-operation")
        self.replay("sched-39-reconcile-operations")
        self.main.wait(lambda: len(self._operation_updates(start)) >= 4)
        self.replay("oper-01-get-operations-with-some")
        self.main.wait(
            lambda: any("disk" in entry for offer in self.main.offers(first) for entry in offer["resources"])
        )
        self.keep("sched-40-operations-events", self.main.stream, start)
        start = len(self.main.stream.events)
        self.bind_offer("sched-41-accept-destroy-unreserve", self.main, first)
        self.replay("sched-41-accept-destroy-unreserve")
        self.main.wait(lambda: bool(self._operation_updates(start)))
        self.main.wait(lambda: bool(self.main.offers(first, start)))
        self.keep("sched-42-invalid-operation-events", self.main.stream, start)

    def _operation_updates(self, start: int) -> list[Event]:
        return [event for event in self.main.stream.events[start:] if event["type"] == "UPDATE_OPERATION_STATUS"]

    def failover(self) -> None:
        old = self.main
        start = len(old.stream.events)
        self.replay_all("sched", 43, 45)
        old.stream.find(lambda event: is_update(event, "x-run", "TASK_RUNNING"), start, STEP_TIMEOUT_SECONDS)
        stream = self.open("sched-47-failover-new-stream")
        self.expect(old.stream.wait_closed(), "the old stream ends")
        self.keep("sched-46-failover-old-stream", old.stream, start)
        self.old_main = old
        self.main = Framework(self.cluster.master_address, stream)
        self.main.held, self.main.unacknowledged = old.held, old.unacknowledged
        self._bind_stream_id("sched-47-failover-new-stream", stream.stream_id)
        self.expect(self.main.wait_states(("x-run", "TASK_RUNNING")), "x-run's update again")
        self._wait_for_offers()
        self.keep("sched-47-failover-new-stream", stream)
        self.replay("sched-48-old-stream-id")

    def maintenance(self) -> None:
        self.names.bind(RECORDED_UNAVAILABILITY_START, str(time.time_ns() + HOUR_NANOSECONDS))
        stream = self.main.stream
        start = len(stream.events)
        self.replay("oper-02-update-maintenance-schedule", "oper-03-get-maintenance-schedule")
        inverse: list[str] = []
        event = stream.find(lambda event: event["type"] == "INVERSE_OFFERS", start, STEP_TIMEOUT_SECONDS)
        if event is not None:
            inverse = [offer["id"]["value"] for offer in event["inverse_offers"]["inverse_offers"]]
        for name, live in zip(
            ("sched-49-accept-inverse-offers", "sched-50-decline-inverse-offers"), inverse, strict=False
        ):
            recorded = captures.load(name).request
            assert recorded is not None
            match = re.search(r"[0-9a-f-]{36}-O\d+", recorded.body.decode())
            assert match is not None
            self.names.bind(match.group(), live)
        self.replay("sched-49-accept-inverse-offers", "sched-50-decline-inverse-offers")
        self.main.wait(lambda: any("unavailability" in o for e in stream.events[start:] for o in offers_of(e)))
        self.replay("oper-04-get-maintenance-status")
        before = len(stream.events)
        self.replay("oper-05-clear-maintenance-schedule")
        self.main.wait(lambda: all(self.main.offers(agent_id, before) for agent_id in self.agent_ids))
        self.keep("sched-51-maintenance-events", stream, start)

    def long_running_tasks(self) -> None:
        first, second = self.agent_ids
        self.main.held |= {"z-sleep", "z2-run", "z2-sleep"}
        leave = {"agent_id": {"value": first}, "executor_id": {"value": "e1"}, "data": LEAVE}
        self.main.call("MESSAGE", message=leave)
        wait_until(lambda: "e1" not in self._executor_ids(), "e1 leaves", STEP_TIMEOUT_SECONDS)
        for agent_id, mark in ((first, "z"), (second, "z2")):
            self.launch(self.main, agent_id, "test", [(f"{mark}-run", f"e-{mark}", RUN)])
            self.expect(self.main.wait_states((f"{mark}-run", "TASK_RUNNING")), f"{mark}-run runs")
            self.launch(self.main, agent_id, "test", [(f"{mark}-sleep", None, "sleep 1000")])
            self.expect(self.main.wait_states((f"{mark}-sleep", "TASK_STARTING")), f"{mark}-sleep starts")
            wait_until(lambda m=mark: self._master_state(f"{m}-sleep") == "TASK_RUNNING", f"{mark}-sleep runs")  # type: ignore[misc]
        self._wait_for_offers()
        running = next(e for e in self.main.stream.events if is_update(e, "z-run", "TASK_RUNNING"))
        container_id = running["update"]["status"]["container_status"]["container_id"]["value"]
        self.names.bind(self._recorded_container("executor-02-e-z"), container_id)

    def _wait_for_offers(self) -> None:
        self.main.wait(lambda: all(self.main.offers(agent_id) for agent_id in self.agent_ids))

    def _executor_ids(self) -> set[str]:
        answer = self.cluster.operator({"type": "GET_EXECUTORS"})["get_executors"]
        return {entry["executor_info"]["executor_id"]["value"] for entry in answer["executors"]}

    def _master_state(self, task_id: str) -> str | None:
        answer = self.cluster.operator({"type": "GET_TASKS"})["get_tasks"]
        return next((str(task["state"]) for task in answer["tasks"] if task["task_id"]["value"] == task_id), None)

    @staticmethod
    def _recorded_container(name: str) -> str:
        return captures.load(name).environment["MESOS_SANDBOX"].rpartition("/")[2]

    def operator_calls(self) -> None:
        self._wait_for_offers()
        self.replay_all("oper", 6, 70)

    def legacy_endpoints(self) -> None:
        self._wait_for_offers()
        self.replay_all("legacy-busy", 1, 17)

    def agent_endpoints(self) -> None:
        wait_until(self._agents_have_what_is_reserved, "agents have applied all operations", STEP_TIMEOUT_SECONDS)
        self.replay_all("agent", 1, 40)

    def _agents_have_what_is_reserved(self) -> bool:
        """A 202 comes before the agent has heard of the operation."""
        counted = {entry["id"]: entry["reserved_resources"].keys() for entry in self.cluster.agent_entries()}
        states = [get_json(agent.address, "/state") for agent in self.cluster.agents]
        return all(state["reserved_resources"].keys() == counted[state["id"]] for state in states)

    def protobuf_streams(self) -> None:
        self.main.call("SUPPRESS")
        for agent_id in self.agent_ids:
            self._return_offers(self.main, agent_id, refuse_seconds=5)
        with self.open("sched-52-subscribe-protobuf") as stream:
            stream.find(lambda event: event["type"] == "OFFERS", timeout_seconds=STEP_TIMEOUT_SECONDS)
            self.keep("sched-52-subscribe-protobuf", stream)
        self.main.call("REVIVE")
        self._wait_for_offers()
        with self.open("oper-71-subscribe-protobuf") as stream:
            stream.wait(lambda event: event["type"] == "HEARTBEAT")
            self.keep("oper-71-subscribe-protobuf", stream)

    def partition_aware(self) -> None:
        second = self.agent_ids[1]
        self.main.call("SUPPRESS")
        for agent_id in self.agent_ids:
            self._return_offers(self.main, agent_id, refuse_seconds=5)
        stream = self.open("sched-57-pa-events")
        self.partitioned = Framework(self.cluster.master_address, stream)
        self.names.bind(f"{RECORDED_MASTER}-0004", self.partitioned.framework_id)
        self._bind_stream_id("sched-57-pa-events", stream.stream_id)
        self.launch(self.partitioned, second, "pa", [("p-run", "e-p", RUN)])
        self.expect(self.partitioned.wait_states(("p-run", "TASK_RUNNING")), "p-run runs")
        self.replay_all("sched", 53, 55)
        states = [("p-never", "TASK_GONE"), ("p-noagent", "TASK_UNKNOWN"), ("p-ghost", "TASK_UNKNOWN")]
        states += [("p-drop", "TASK_DROPPED"), ("p-never", "TASK_UNKNOWN")]
        self.expect(self.partitioned.wait_states(*states), f"updates {states}")
        self.partitioned.call("SUPPRESS")
        self.loss_start = len(self.main.stream.events)
        self.main.call("REVIVE")
        self._return_offers(self.partitioned, second)
        self.expect(
            self.main.wait(lambda: bool(self.main.offers(second, self.loss_start))), "the other framework's offer"
        )

    def _is_active(self, number: int) -> bool | None:
        port = self.cluster.agents[number].address[1]
        entries = [entry for entry in self.cluster.agent_entries() if entry["port"] == port]
        return bool(entries[0]["active"]) if entries else None

    def agent_loss(self) -> None:
        main, partitioned, second = self.main, self.partitioned, self.agent_ids[1]
        self.cluster.agents[1].server.signal(signal.SIGKILL)
        wait_until(lambda: self._is_active(1) is False, "the dead agent is inactive", STEP_TIMEOUT_SECONDS)
        self.replay("oper-72-get-agents-disconnected")
        self.expect(partitioned.wait_states(("p-run", "TASK_UNREACHABLE")), "p-run is unreachable")
        for framework in (partitioned, main):
            failed = framework.stream.find(is_agent_failure, timeout_seconds=STEP_TIMEOUT_SECONDS)
            self.expect(failed is not None, "FAILURE of the agent")
        wait_until(lambda: self._is_active(1) is None, "the dead agent is gone from /slaves", STEP_TIMEOUT_SECONDS)
        self.keep("sched-56-agent-lost-events", main.stream, self.loss_start)
        self.keep("sched-57-pa-events", partitioned.stream)
        self.replay("oper-73-get-agents-after-loss", "oper-74-get-tasks-after-loss")
        start = len(main.stream.events)
        self.replay("sched-58-reconcile-unreachable")
        self.expect(main.wait_states(("z2-run", "TASK_LOST"), since=start), "z2-run is lost")
        self.keep("sched-59-reconcile-unreachable-events", main.stream, start)
        self.replay("oper-75-mark-agent-gone", "oper-76-get-agents-gone")
        start, other_start = len(main.stream.events), len(partitioned.stream.events)
        for framework, task_id in ((main, "z2-run"), (partitioned, "p-run")):
            task = {"task_id": {"value": task_id}, "agent_id": {"value": second}}
            framework.call("RECONCILE", reconcile={"tasks": [task]})
        self.expect(main.wait_states(("z2-run", "TASK_LOST"), since=start), "z2-run is lost for good")
        partitioned.wait(lambda: len(partitioned.stream.events) > other_start)
        self.keep("sched-60-reconcile-gone-events", main.stream, start)
        self.keep("sched-61-reconcile-gone-events", partitioned.stream, other_start)

    def drain(self) -> None:
        main = self.main
        self.partitioned.call("TEARDOWN")
        start = len(main.stream.events)
        self.replay("oper-77-drain", "oper-78-get-agents-draining")
        main.held.clear()
        for task_id in list(main.unacknowledged):
            main.acknowledge(task_id)
        states = [("z-run", "TASK_KILLED"), ("x-run", "TASK_FAILED"), ("z-sleep", "TASK_KILLED")]
        main.wait_states(*states, since=start)

        def drained() -> bool:
            answer = self.cluster.operator({"type": "GET_AGENTS"})
            return any(a.get("drain_info", {}).get("state") == "DRAINED" for a in answer["get_agents"]["agents"])

        wait_until(drained, "the agent is drained", STEP_TIMEOUT_SECONDS)
        self.replay("oper-79-get-agents-drained", "oper-80-reactivate-drained")
        main.wait_states(("x-run", "TASK_FAILED"), since=start, timeout_seconds=STEP_TIMEOUT_SECONDS)
        self.keep("sched-62-drain-events", main.stream, start)

    def heartbeats(self) -> None:
        stream = self.main.stream

        def times() -> list[float]:
            beats = zip(stream.seconds, stream.events, strict=False)
            return [seconds for seconds, event in beats if event["type"] == "HEARTBEAT"]

        self.main.wait(lambda: len(times()) >= 2, HEARTBEAT_TIMEOUT_SECONDS)
        self.observations["sched-63-heartbeats"] = Observation(heartbeat_seconds=times())

    def teardown(self) -> None:
        stream, start = self.main.stream, len(self.main.stream.events)
        self.replay("sched-64-teardown")
        self.expect(stream.wait_closed(), "the stream ends")
        self.keep("sched-65-teardown-events", stream, start)
        self.replay("sched-66-after-teardown")
        again = self.open("sched-67-subscribe-after-teardown")
        again.wait_closed()
        self.keep("sched-67-subscribe-after-teardown", again)
        info = {"user": "root", "name": "capture-drop", "roles": ["test"], "failover_timeout": 1}
        subscribe = {"framework_info": {**info, "capabilities": [{"type": "MULTI_ROLE"}]}}
        self.subscribe_framework(subscribe).stream.close()
        self.operator_stream.find(lambda event: event_key(event) == DROPPED, timeout_seconds=STEP_TIMEOUT_SECONDS)
        self.keep("oper-82-subscribe-events", self.operator_stream)
        wait_until(self._is_connected_nowhere, "no framework is connected", STEP_TIMEOUT_SECONDS)
        self.replay("legacy-busy-18-state-at-end", "oper-81-get-frameworks-completed")

    def _is_connected_nowhere(self) -> bool:
        answer = self.cluster.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"]
        return not any(framework["connected"] for framework in answer["frameworks"])

    def executors(self) -> None:
        for name in ("executor-01-e1", "executor-02-e-z", "executor-03-e-shut", "executor-04-e-crash"):
            sandbox = Path(captures.load(name).environment["MESOS_SANDBOX"])
            live = Path(self.names.to_live(str(sandbox.parent.parent)))
            runs = [path for path in (live / "runs").iterdir() if path.name != "latest"]
            assert len(runs) == 1, runs
            self.observations[name] = read_sandbox(runs[0])


def read_sandbox(path: Path) -> Observation:
    """What the test executor wrote down there."""
    lines = (path / "environment.txt").read_text().splitlines()
    wire = [json.loads(line) for line in (path / "wire.log").read_text().splitlines()]
    return Observation(environment=dict(line.split("=", 1) for line in lines), wire=wire)


class RestartConversation(Scenario):
    """The short recording: a checkpointing framework, and a master that is killed and started again."""

    def play(self) -> None:
        cluster = self.cluster
        agent_id = cluster.agent_id(cluster.agents[0])
        self.names.bind(RECORDED_RESTART_MASTER, agent_id.removesuffix("-S0"))
        info = {
            "user": "root",
            "name": "capture-restart",
            "roles": ["test"],
            "failover_timeout": 600,
            "capabilities": [{"type": "MULTI_ROLE"}],
            "checkpoint": True,
        }
        first = self.subscribe_framework({"framework_info": info})
        self.names.bind(f"{RECORDED_RESTART_MASTER}-0000", first.framework_id)
        self.launch(first, agent_id, "test", [("k-run", "e-k", RUN)])
        self.expect(first.wait_states(("k-run", "TASK_RUNNING")), "k-run runs")
        wait_until(self._is_acknowledged, "k-run's update is acknowledged", STEP_TIMEOUT_SECONDS)
        agent = cluster.agents[0].server
        agent.signal(signal.SIGSTOP)  # it is not to be back before the first questions
        try:
            cluster.master.kill()
            first.stream.close()
            cluster.start_master()
            framework, task = self._before_the_agent(agent_id)
        finally:
            agent.signal(signal.SIGCONT)
        self._with_the_agent(agent_id, framework, task)

    def _is_acknowledged(self) -> bool:
        agent = self.cluster.agents[0]
        response = call(agent.address, json_call("/slave(1)/api/v1", {"type": "GET_TASKS"}))
        return response.status == 200 and b'"k-run"' in response.body

    def _before_the_agent(self, agent_id: str) -> tuple[Framework, object]:
        """The scheduler is back; returns it, and its task as it is asked about."""
        cluster = self.cluster
        self.replay("restart-01-get-agents-before")
        stream = self.open("restart-05-stream")
        framework = Framework(cluster.master_address, stream)
        subscribed = stream.events[0]["subscribed"]
        self.names.bind(RECORDED_NEW_MASTER, subscribed["master_info"]["id"])
        task = {"task_id": {"value": "k-run"}, "agent_id": {"value": agent_id}}
        framework.call("RECONCILE", reconcile={"tasks": [task]})
        self.replay("restart-02-get-frameworks")
        return framework, task

    def _with_the_agent(self, agent_id: str, framework: Framework, task: object) -> None:
        cluster = self.cluster
        wait_until(lambda: any(entry["active"] for entry in cluster.agent_entries()), "the agent is back")
        framework.wait(lambda: bool(framework.offers(agent_id)))
        framework.call("RECONCILE", reconcile={"tasks": [task]})
        framework.wait_states(("k-run", "TASK_RUNNING"))
        self.replay("restart-03-get-agents-after", "restart-04-get-tasks-after")
        self.keep("restart-05-stream", framework.stream)
