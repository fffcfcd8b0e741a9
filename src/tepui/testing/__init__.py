"""For tests of frameworks: a master or agent that the test itself plays, without a network, and whole clusters.

    transport = SchedulerTransport()
    async with Scheduler("master:5050", "mine", transport=transport) as scheduler:
        stream = await transport.stream(1)
        stream.send(scheduler_events.subscribed(), scheduler_events.offers(scheduler_events.offer("o1", cpus=2)))
        ...
        await transport.wait(lambda: transport.launched)

`LocalCluster` starts a master and agents as processes of this machine. Nothing here needs a test framework; `pytest`
fixtures are two lines around it (docs/how-to/test-your-framework.md).
"""

from tepui.testing import executor_events, scheduler_events
from tepui.testing.cluster import ClusterError, LocalCluster
from tepui.testing.scripted import (
    ACCEPTED,
    CUT,
    TEST_SECONDS_MAX,
    ExecutorTransport,
    SchedulerTransport,
    ScriptedStream,
    ScriptedTransport,
)
from tepui.transport.client import Answer, TransportError

__all__ = [
    "ACCEPTED",
    "CUT",
    "TEST_SECONDS_MAX",
    "Answer",
    "ClusterError",
    "ExecutorTransport",
    "LocalCluster",
    "SchedulerTransport",
    "ScriptedStream",
    "ScriptedTransport",
    "TransportError",
    "executor_events",
    "scheduler_events",
]
