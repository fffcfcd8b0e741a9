"""Measures Tepui and, where it is set up, Apache Mesos in the same run, and prints the table.

usage: python -m benchmarks [--rounds N] [--only tepui|reference] [--megabytes N] [NAME ...]

Without a NAME all but `million` and `words` are run. What differs from run to run is measured in rounds that
alternate between the clusters; medians are shown.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.conformance.client import get_json
from tests.conformance.cluster import OURS, REFERENCE, Cluster, missing_reason, wait_until

from benchmarks import word_count
from benchmarks.codecs import Codec, CommandCodec, ProtobufCodec
from benchmarks.command_line import (
    command_milliseconds,
    local_first_offer_seconds,
    run_batch,
    run_milliseconds,
)
from benchmarks.failover import measure as measure_failover
from benchmarks.large_reads import measure as measure_large_reads
from benchmarks.load import EXECUTOR_COMMAND, Scheduler
from benchmarks.servers import NAMES, children_cpu_seconds, cpu_seconds, kinds, megabytes, running, supervisor_pids

MILLION = 1_000_000
RESTING_TASKS = 20_000
BATCH_COMMANDS = 10_000
TEXT_MEGABYTES = 1024
TEXT_AGENT = "cpus:1;mem:1024;disk:100000;ports:[31000-31100]"
TEXT_AGENTS = 3
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Row:
    """One line of the table: what is wanted of ours, and what was measured of each."""

    name: str
    unit: str
    wanted: str
    measured: dict[str, list[float]] = field(default_factory=dict)

    def add(self, kind: str, *values: float) -> None:
        self.measured.setdefault(kind, []).extend(values)

    def shown(self, kind: str) -> str:
        values = self.measured.get(kind)
        if not values:
            return "-"
        text = _number(statistics.median(values))
        return text if len(values) < 3 else f"{text} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Table:
    """All lines, in the order in which they were first named."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def row(self, name: str, unit: str, wanted: str) -> Row:
        return self._rows.setdefault(name, Row(name, unit, wanted))

    def show(self) -> None:
        head = ["benchmark", "unit", "wanted", *NAMES.values()]
        body = [[row.name, row.unit, row.wanted, *(row.shown(kind) for kind in NAMES)] for row in self._rows.values()]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        for line in (head, ["-" * width for width in widths], *body):
            print("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |")


@dataclass
class Counted:
    """What a master has counted: a figure is worth something only if all the work was done."""

    updates: float
    acknowledgements: float

    @classmethod
    def of(cls, cluster: Cluster) -> Counted:
        metrics = get_json(cluster.master_address, "/metrics/snapshot")
        names = ("master/valid_status_updates", "master/valid_status_update_acknowledgements")
        return cls(*(metrics[name] for name in names))

    def check(self, cluster: Cluster, updates: int) -> None:
        """Wait until so many more updates have been passed on and acknowledged."""

        def is_done() -> bool:
            now = Counted.of(cluster)
            return min(now.updates - self.updates, now.acknowledgements - self.acknowledgements) >= updates

        wait_until(is_done, f"the master counts {updates} updates, and their acknowledgements")


def throughput(
    table: Table, kind: str, label: str, agents: int, batch: int, window: int, tasks: int, wanted: str
) -> None:
    """Short tasks on warm executors, two acknowledged updates each."""
    with running(kind, agents) as cluster:
        scheduler = Scheduler(cluster.master_address)
        scheduler.warm(agents)
        pids = [cluster.master.pid, *(agent.server.pid for agent in cluster.agents)]
        before = [cpu_seconds(pid) for pid in pids]
        counted = Counted.of(cluster)
        result = scheduler.run(tasks, batch, window, agents)
        used = [cpu_seconds(pid) - start for pid, start in zip(pids, before, strict=True)]
        counted.check(cluster, 2 * tasks)
        scheduler.close()
    table.row(f"throughput, {label}", "tasks/s", wanted).add(kind, result.tasks_per_second)
    table.row(f"master CPU a task, {label}", "ms", "0.25").add(kind, used[0] / tasks * 1e3)
    if agents == 1:
        table.row(f"agent CPU a task, {label}", "ms", "0.4").add(kind, used[1] / tasks * 1e3)
    share = result.scheduler_cpu_seconds / tasks * 1e3
    table.row(f"(load generator's own CPU a task, {label})", "ms", "").add(kind, share)


def small(table: Table, kind: str) -> None:
    tasks = 5000 if kind == OURS else 3000
    throughput(table, kind, "1 agent, 50 at once", 1, 20, 50, tasks, "1,500")


def large(table: Table, kind: str) -> None:
    tasks = 8000 if kind == OURS else 4000
    throughput(table, kind, "8 agents, 400 at once", 8, 20, 400, tasks, "2,000")


def wide(table: Table, kind: str) -> None:
    tasks = 6000 if kind == OURS else 1500
    throughput(table, kind, "1 agent, 1,000 at once", 1, 20, 1000, tasks, "as with 50")


def commands(table: Table, kind: str) -> None:
    """Tasks that run `true` by their command, three acknowledged updates each."""
    tasks = 3000 if kind == OURS else 200
    with running(kind, 1) as cluster:
        scheduler = Scheduler(cluster.master_address, CommandCodec("true"))
        scheduler.warm(1)
        names = ("master", "agent", "supervisor")
        pids = [cluster.master.pid, cluster.agents[0].server.pid, *supervisor_pids(cluster)]
        before = [cpu_seconds(pid) for pid in pids]
        counted = Counted.of(cluster)
        result = scheduler.run(tasks, 20, 50, 1)
        used = [cpu_seconds(pid) - start for pid, start in zip(pids, before, strict=True)]
        counted.check(cluster, 3 * tasks)
        scheduler.close()
    table.row("commands `true`, 1 agent, 50 at once", "tasks/s", "350").add(kind, result.tasks_per_second)
    for name, seconds in zip(names, used, strict=False):
        table.row(f"{name} CPU a command", "ms", "").add(kind, seconds / tasks * 1e3)


def protobuf(table: Table, kind: str) -> None:
    """What the master pays for a scheduler that speaks protobuf."""
    tasks = 5000 if kind == OURS else 3000
    used: dict[bool, float] = {}
    for is_protobuf in (False, True):
        with running(kind, 1) as cluster:
            codec: Codec | None = ProtobufCodec(EXECUTOR_COMMAND) if is_protobuf else None
            scheduler = Scheduler(cluster.master_address, codec)
            scheduler.warm(1)
            before = cpu_seconds(cluster.master.pid)
            scheduler.run(tasks, 20, 50, 1)
            used[is_protobuf] = (cpu_seconds(cluster.master.pid) - before) / tasks * 1e3
            scheduler.close()
    table.row("master CPU a task, protobuf scheduler", "ms", "").add(kind, used[True])
    table.row("added by protobuf", "ms", "0.15").add(kind, used[True] - used[False])


def latency(table: Table, kind: str) -> None:
    """One task at a time on a warm executor."""
    with running(kind, 1) as cluster:
        scheduler = Scheduler(cluster.master_address)
        scheduler.warm(1)
        result = scheduler.latencies(200)
        scheduler.close()
    wanted = {"REVIVE to OFFERS": "0.5", "ACCEPT to TASK_RUNNING": "1.5", "ACCEPT to TASK_FINISHED": "2.0"}
    columns = (result.revive_to_offers, result.accept_to_running, result.accept_to_finished)
    for (name, figure), values in zip(wanted.items(), columns, strict=True):
        table.row(f"{name}, median", "ms", figure).add(kind, statistics.median(values))


def freed(table: Table, kind: str) -> None:
    """From a resource being freed to its next offer, without REVIVE."""
    with running(kind, 1) as cluster:
        scheduler = Scheduler(cluster.master_address)
        scheduler.warm(1)
        values = scheduler.freed_to_offer(300 if kind == OURS else 15)
        scheduler.close()
    table.row("freed resource to its next offer, p99", "ms", "20").add(kind, percentile(values, 0.99))
    table.row("freed resource to its next offer, median", "ms", "").add(kind, statistics.median(values))


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def memory(table: Table, kind: str) -> None:
    """Idle, and after many tasks."""
    with running(kind, 1) as cluster:
        master, agent = cluster.master.pid, cluster.agents[0].server.pid
        table.row("memory of an idle master", "MiB", "60").add(kind, megabytes(master))
        table.row("memory of an idle agent", "MiB", "55").add(kind, megabytes(agent))
        scheduler = Scheduler(cluster.master_address)
        scheduler.warm(1)
        for pid in supervisor_pids(cluster):
            table.row("memory of a supervisor", "MiB", "18").add(kind, megabytes(pid))
        scheduler.run(RESTING_TASKS, 20, 200, 1)
        table.row("memory of the master after 20,000 tasks", "MiB", "90").add(kind, megabytes(master))
        table.row("memory of the agent after 20,000 tasks", "MiB", "").add(kind, megabytes(agent))
        scheduler.close()


def million(table: Table, kind: str) -> None:
    """A million tasks through one master: its memory must not grow with them."""
    if kind == REFERENCE:
        return
    with running(kind, 2) as cluster:
        scheduler = Scheduler(cluster.master_address)
        scheduler.warm(2)
        scheduler.run(RESTING_TASKS, 20, 200, 2)
        early = megabytes(cluster.master.pid)
        early_agent = megabytes(cluster.agents[0].server.pid)
        for number in range(1, MILLION // RESTING_TASKS):
            scheduler.run(RESTING_TASKS, 20, 200, 2)
            if number % 5 == 0:
                print(f"{number * RESTING_TASKS:,} tasks: master {megabytes(cluster.master.pid):.1f} MiB", flush=True)
        late, late_agent = megabytes(cluster.master.pid), megabytes(cluster.agents[0].server.pid)
        scheduler.close()
    table.row("memory of the master after 20,000 tasks", "MiB", "90").add(kind, early)
    table.row("memory of the master after a million", "MiB", "").add(kind, late)
    table.row("a million tasks: the master's growth", "ratio", "within 1.2").add(kind, late / early)
    table.row("a million tasks: the agent's growth", "ratio", "").add(kind, late_agent / early_agent)


def command_line(table: Table, kind: str) -> None:
    """What somebody waits for who types."""
    if kind == REFERENCE:
        return
    with running(kind, 2) as cluster:
        for words in (("status",), ("task", "list"), ("agent", "list", "-o", "json")):
            times = [command_milliseconds(cluster.master_address, *words) for _ in range(5)]
            table.row(f"tepui {' '.join(words)}", "ms", "300").add(kind, *times)
        table.row("tepui run true", "ms", "").add(kind, *(run_milliseconds(cluster.master_address) for _ in range(5)))
    times = [local_first_offer_seconds(agents=3) for _ in range(3)]
    table.row("tepui local, 3 agents, to the first offer", "s", "1.5").add(kind, *times)


def batch(table: Table, kind: str) -> None:
    """A file of commands as somebody runs it."""
    if kind == REFERENCE:
        return
    with running(kind, 1) as cluster:
        servers = {"master": cluster.master.pid, "agent": cluster.agents[0].server.pid}
        before = {name: cpu_seconds(pid) for name, pid in servers.items()}
        run = run_batch(cluster.master_address, BATCH_COMMANDS)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in servers.items()}
        for pid in supervisor_pids(cluster):
            used["supervisor"] = cpu_seconds(pid)
            used["commands themselves"] = children_cpu_seconds(pid)
    label = f"tepui batch, {BATCH_COMMANDS:,} x true, 1 agent"
    table.row(label, "commands/s", "350").add(kind, BATCH_COMMANDS / run.seconds)
    for name, seconds in {"batch": run.cpu_seconds, **used}.items():
        table.row(f"{label}: CPU a command, {name}", "ms", "").add(kind, seconds / BATCH_COMMANDS * 1e3)
    table.row(f"{label}: most memory of the batch", "MiB", "").add(kind, run.megabytes_max)


def words(table: Table, kind: str, megabytes: int = TEXT_MEGABYTES) -> None:
    """Much text, three agents with room for one task each; xargs with as many processes, and with two."""
    if kind == REFERENCE:
        return
    with tempfile.TemporaryDirectory(prefix="tepui-benchmark-") as name, running(kind, 0) as cluster:
        for _ in range(TEXT_AGENTS):
            cluster.add_agent(TEXT_AGENT)
        work = Path(name)
        size = f"{word_count.prepare(work, megabytes) >> 20:,} MB"
        for pipeline in word_count.PIPELINES:
            label = f"word count of {size}, {pipeline.name}"
            two = word_count.by_shell(pipeline, work, 2)
            three = word_count.by_shell(pipeline, work, TEXT_AGENTS)
            ours = word_count.by_tepui(pipeline, work, cluster.master_address, TEXT_AGENTS)
            word_count.check_counts(work)
            table.row(f"{label}: tepui mapreduce", "s", "").add(kind, ours)
            table.row(f"{label}: xargs -P2 and sort", "s", "").add(kind, two)
            table.row(f"{label}: xargs -P{TEXT_AGENTS} and sort", "s", "").add(kind, three)
            table.row(f"{label}: of the better one's time", "times", "1.5").add(kind, ours / min(two, three))


def large_reads(table: Table, kind: str) -> None:
    """Everything that a master with 80,000 tasks knows is read, by one client and by four at once."""
    if kind == REFERENCE:
        return
    measured = measure_large_reads(agents=1000, tasks=80_000, readers=4, seconds=10.0)
    wanted = {"/state": "10"}
    for name, cost in measured.microseconds_per_task.items():
        table.row(f"master CPU a task in {name}, 80,000 tasks", "us", wanted.get(name, "")).add(kind, cost)
    waits = measured.health_milliseconds
    table.row("/health while 4 clients read /state: longest", "ms", "100").add(kind, max(waits))
    table.row("/health while 4 clients read /state: median", "ms", "").add(kind, statistics.median(waits))


def failover(table: Table, kind: str) -> None:
    """The leader is killed; until all are with the next one. Then four times as many agents, with 80,000 tasks."""
    if kind == REFERENCE:
        return
    measured = measure_failover(agents=2000, tasks=200, frameworks=20, runs=10)
    for name, values in measured.parts():
        table.row(f"failover, 2,000 agents: {name}", "s", "3" if name == "total" else "").add(kind, *values)
    table.row("failover, 2,000 agents: slowest /health", "ms", "100").add(kind, *_milliseconds(measured.health))
    measured = measure_failover(agents=8000, tasks=80_000, frameworks=20, runs=2)
    table.row("failover, 8,000 agents, 80,000 tasks: re-registration", "s", "10").add(kind, *measured.registration)
    table.row("failover, 8,000 agents: slowest /health", "ms", "100").add(kind, *_milliseconds(measured.health))


def _milliseconds(seconds: Sequence[float]) -> list[float]:
    return [1e3 * value for value in seconds]


def interrupt(number: int, _: object) -> None:
    """End as after an error, so that clusters are stopped; another signal meanwhile must not leave them running."""
    for each in INTERRUPTIONS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


Benchmark = Callable[[Table, str], None]
REPEATED: dict[str, Benchmark] = {
    "small": small,
    "large": large,
    "wide": wide,
    "commands": commands,
    "protobuf": protobuf,
    "latency": latency,
}
ONCE: dict[str, Benchmark] = {
    "freed": freed,
    "memory": memory,
    "command_line": command_line,
    "batch": batch,
    "large_reads": large_reads,
}
LONG: dict[str, Benchmark] = {"million": million, "words": words, "failover": failover}


def main() -> int:
    every = {**REPEATED, **ONCE, **LONG}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    parser.add_argument("--rounds", type=int, default=3, help="of what is repeated")
    parser.add_argument("--only", choices=(OURS, REFERENCE), help="measure one cluster alone")
    parser.add_argument("--megabytes", type=int, default=TEXT_MEGABYTES, help="of text for `words`, about")
    arguments = parser.parse_args()
    every["words"] = partial(words, megabytes=arguments.megabytes)
    unknown = set(arguments.names) - set(every)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    measured = [kind for kind in kinds() if arguments.only in (None, kind)]
    if REFERENCE not in measured:
        print(f"Apache Mesos is not measured. {missing_reason(REFERENCE) or 'It is not asked for'}.")
    for number in INTERRUPTIONS:
        signal.signal(number, interrupt)
    table = Table()
    for name in arguments.names or [*REPEATED, *ONCE]:
        for turn in range(arguments.rounds if name in REPEATED else 1):
            for kind in measured:
                print(f"{name}: {NAMES[kind]}, round {turn + 1}", file=sys.stderr, flush=True)
                every[name](table, kind)
    table.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
