"""Several masters and a real ZooKeeper: who leads, what standbys answer, and what a failover leaves as it was."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tepui.model.v1.mesos import TaskState
from tepui.scheduler import Offers, Scheduler, Subscribed, Update
from tepui.scheduler.events import Event
from tepui.transport.leader import find_leader
from tepui.transport.zookeeper import ZooKeeper
from tepui.transport.zookeeper_url import parse_zookeeper_url
from tests.conformance.client import get_json
from tests.conformance.cluster import wait_until
from tests.scheduler.real import running_cluster
from tests.server.masters import Masters, Member, metrics, running_masters
from tests.zookeeper import GROUP, ZooKeeperServer

pytestmark = GROUP

EVENT_SECONDS_MAX = 40.0
STANDS_AS = re.compile(r"stands for election as (\S+)")


async def until(scheduler: Scheduler, is_wanted: Callable[[Event], bool]) -> Event:
    """The first wanted event; offers are let pass."""
    async with asyncio.timeout(EVENT_SECONDS_MAX):
        async for event in scheduler:
            if is_wanted(event):
                return event
    raise AssertionError("the scheduler ended")


def is_update(task_id: str, state: TaskState) -> Callable[[Event], bool]:
    return lambda event: (
        isinstance(event, Update) and event.status.task_id.value == task_id and event.status.state is state
    )


async def run_sleeper(scheduler: Scheduler) -> None:
    """Launch the task `sleeper`, which runs until it is killed."""
    async with asyncio.timeout(EVENT_SECONDS_MAX):
        async for event in scheduler:
            if isinstance(event, Offers):
                offer = event.offers[0]
                scheduler.launch(offer, [offer.task("sleep 1000", cpus=0.1, mem=32, task_id="sleeper")])
            elif is_update("sleeper", TaskState.TASK_RUNNING)(event):
                return


async def fail_over(masters: Masters, change: Callable[[Member], Awaitable[Member]]) -> None:
    """With a running task, two agents and a scheduler, have `change` replace the leader; nothing is lost by it."""
    old = masters.leader()
    ids = masters.wait_for_agents(old)
    async with Scheduler(masters.url, "survivor", identity=masters.directory / "identity") as scheduler:
        await run_sleeper(scheduler)
        framework_id = scheduler.framework_id
        new = await change(old)
        again = await until(scheduler, lambda event: isinstance(event, Subscribed))
        assert isinstance(again, Subscribed)
        assert again.master is not None
        assert again.master.port == new.address[1]
        assert scheduler.framework_id == framework_id
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, masters.wait_for_agents, new) == ids, "agents keep their ids"
        (task,) = get_json(new.address, "/tasks")["tasks"]
        assert (task["id"], task["state"]) == ("sleeper", "TASK_RUNNING")
        registry = get_json(new.address, "/registrar(1)/registry")
        assert sorted(entry["info"]["id"]["value"] for entry in registry["slaves"]["slaves"]) == ids
        scheduler.kill("sleeper")
        await until(scheduler, is_update("sleeper", TaskState.TASK_KILLED))


def test_standbys_redirect_and_a_killed_leader_is_replaced_without_loss(
    zookeeper: ZooKeeperServer, tmp_path: Path
) -> None:
    async def kill(old: Member) -> Member:
        old.server.kill()
        return await asyncio.get_running_loop().run_in_executor(None, lambda: masters.leader(not_this=old))

    with running_masters(tmp_path / "cluster", zookeeper.url()) as masters:
        first, second = masters.add_master(), masters.add_master()
        wait_until(lambda: first.answers() and second.answers(), "both answer")
        leader = masters.leader()
        standby = second if leader is first else first
        check_standby(standby, leader)
        masters.add_agent()
        masters.add_agent(f"{standby.address[0]}:{standby.address[1]}")  # redirected to the leader
        masters.wait_for_agents(leader)
        masters.agents.pop().stop()
        masters.add_agent()
        asyncio.run(fail_over(masters, kill))


def check_standby(standby: Member, leader: Member) -> None:
    """It answers itself what every master does, and sends all else to the leader (http-api 1.4)."""
    where = f"//{leader.address[0]}:{leader.address[1]}"
    wait_until(lambda: standby.ask("/redirect")[:2] == (307, where), "the standby knows the leader")
    for path in ("/health", "/master/health", "/version", "/flags", "/master/flags", "/files/debug"):
        assert standby.ask(path)[0] == 200, path
    assert metrics(standby)["master/elected"] == 0
    assert metrics(leader)["master/elected"] == 1
    for path in ("/state", "/master/state?jsonp=a%20b", "/slaves", "/weights", "/quota/eng", "/registrar(1)/registry"):
        assert standby.ask(path) == (307, where + path, ""), path
    for path in ("/api/v1", "/api/v1/scheduler", "/master/api/v1/scheduler", "/api/tepui/v1/kill"):
        assert standby.ask(path, "POST", "{}") == (307, where + path, ""), path
    assert standby.ask("/nothing")[0] == 404
    assert leader.ask("/redirect")[:2] == (307, where)
    assert json.loads(standby.ask("/flags")[2])["flags"]["quorum"] == "1"


def test_a_standby_whose_node_somebody_deleted_stands_again(zookeeper: ZooKeeperServer, tmp_path: Path) -> None:
    async def delete(member: Member) -> None:
        client = ZooKeeper(parse_zookeeper_url(url))
        client.start()
        await client.connected()
        node = STANDS_AS.findall(member.log())[-1]
        await client.call(client.client.delete_async, node)
        await client.close()

    url = zookeeper.url()
    with running_masters(tmp_path / "cluster", url) as masters:
        leader = masters.add_master()
        assert masters.leader() is leader
        standby = masters.add_master()
        wait_until(lambda: len(STANDS_AS.findall(standby.log())) == 1, "the standby stands for election")
        asyncio.run(delete(standby))
        wait_until(lambda: len(STANDS_AS.findall(standby.log())) == 2, "the standby stands again")
        asyncio.run(delete(leader))
        assert leader.server.wait() == 1
        assert "its node in ZooKeeper is gone" in leader.log()
        assert masters.leader(not_this=leader) is standby


@pytest.mark.slow
def test_a_leader_that_was_stopped_and_goes_on_steps_down(zookeeper: ZooKeeperServer, tmp_path: Path) -> None:
    async def pause(old: Member) -> Member:
        old.server.signal(signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        new = await loop.run_in_executor(None, lambda: masters.leader(not_this=old))
        old.server.signal(signal.SIGCONT)
        assert await loop.run_in_executor(None, old.server.wait) == 1
        assert re.search("ending: This master leads no longer: .* Start it again.$", old.log(), re.MULTILINE)
        assert "Traceback" not in old.log()
        return new

    with running_masters(tmp_path / "cluster", zookeeper.url()) as masters:
        for _ in range(2):
            masters.add_master()
            masters.add_agent()
        asyncio.run(fail_over(masters, pause))


@pytest.mark.slow
def test_a_leader_that_ends_by_sigterm_is_replaced_at_once(zookeeper: ZooKeeperServer, tmp_path: Path) -> None:
    """Without waiting for its session to time out, which would take a minute here."""
    with running_masters(tmp_path / "cluster", zookeeper.url()) as masters:
        for _ in range(2):
            masters.add_master("--zk_session_timeout=60secs")
        old = masters.leader()
        old.server.signal(signal.SIGTERM)
        assert old.server.wait() == 0
        masters.leader(not_this=old)


@pytest.mark.slow
def test_a_leader_that_is_started_again_before_its_session_is_over_sends_nobody_to_itself(
    zookeeper: ZooKeeperServer, tmp_path: Path
) -> None:
    with running_masters(tmp_path / "cluster", zookeeper.url()) as masters:
        leader = masters.add_master()
        masters.leader()
        leader.server.kill()
        leader.server.start()
        wait_until(leader.answers, "it answers")
        answers: set[tuple[int, str, str]] = set()

        def leads() -> bool:
            answers.add(leader.ask("/state-summary"))
            return leader.leads()

        wait_until(leads, "it leads again")
    assert {answer[:2] for answer in answers} <= {(200, ""), (503, "")}, "it never redirects"


@pytest.mark.slow
def test_a_leader_without_zookeeper_steps_down_by_its_own_clock_and_a_standby_stays(tmp_path: Path) -> None:
    server = ZooKeeperServer(tmp_path / "zookeeper")
    try:
        server.start()
        with running_masters(tmp_path / "cluster", server.url()) as masters:
            leader = masters.add_master()
            assert masters.leader() is leader
            standby = masters.add_master()
            wait_until(lambda: standby.ask("/redirect")[0] == 307, "the standby knows the leader")
            server.kill()
            assert leader.server.wait(EVENT_SECONDS_MAX) == 1
            assert re.search("ending: This master leads no longer: .* Start it again.$", leader.log(), re.MULTILINE)
            assert standby.answers()
            server.start()
            assert masters.leader(not_this=leader) is standby
    finally:
        server.kill()


@pytest.mark.slow
def test_with_credentials_strangers_read_who_leads_and_cannot_stand(zookeeper: ZooKeeperServer, tmp_path: Path) -> None:
    url = zookeeper.url("tepui:secret@")
    without = url.replace("tepui:secret@", "")
    with running_masters(tmp_path / "cluster", url) as masters:
        leader = masters.add_master()
        assert masters.leader() is leader
        found = asyncio.run(find_leader(parse_zookeeper_url(without)))
        assert found.address == leader.address
        assert json.loads(leader.ask("/flags")[2])["flags"]["zk"] == url.replace("secret", "***")
        masters.url = without
        stranger = masters.add_master()
        why = "it does not let these credentials make nodes there"
        wait_until(lambda: why in stranger.log(), "the stranger is refused")
        assert "secret" not in leader.log()
        masters.add_agent(url)
        masters.wait_for_agents(leader)
        assert stranger.log().count(why) == 1, "however often it has tried meanwhile"
        assert "looks for its master at zk://tepui:***@" in masters.agents[0].log_path.read_text()


def test_a_master_that_starts_again_knows_its_agents_from_the_file(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "cluster") as cluster:
        (agent,) = cluster.agents
        agent_id = cluster.agent_id(agent)
        assert get_json(cluster.master_address, "/metrics/snapshot")["registrar/state_store_ms"] > 0
        agent.server.signal(signal.SIGSTOP)
        cluster.master.kill()
        cluster.start_master()
        (recovered,) = get_json(cluster.master_address, "/slaves")["recovered_slaves"]
        assert recovered["id"] == agent_id
        agent.server.signal(signal.SIGCONT)
        wait_until(lambda: cluster.agent_entries(), "the agent is back")
        assert cluster.agent_id(agent) == agent_id
        found = get_json(cluster.master_address, "/metrics/snapshot")
        assert found["registrar/registry_size_bytes"] > 100
        assert found["registrar/state_fetch_ms"] > 0
        assert "Traceback" not in cluster.master.log_path.read_text()
