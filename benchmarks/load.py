"""Load generators: one scheduler that launches many short tasks, and measures."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from benchmarks.codecs import FINISHED, RUNNING, Codec, Heard, JsonCodec, Offered
from benchmarks.pipe import Pipe, ServerError

SCHEDULER_PATH = "/api/v1/scheduler"
EXECUTOR_COMMAND = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).with_name('executor.py')))}"
REVIVE_SECONDS = 0.005  # how often a scheduler without offers asks, so that no allocation cycle is waited for
EVENT_TIMEOUT_SECONDS = 30.0
QUIET_SECONDS = 0.02
GOOD_STATES = frozenset({RUNNING, FINISHED, "TASK_STARTING"})


@dataclass
class Throughput:
    """What one run of many tasks took."""

    tasks: int
    seconds: float
    scheduler_cpu_seconds: float

    @property
    def tasks_per_second(self) -> float:
        return self.tasks / self.seconds


@dataclass
class Latencies:
    """Milliseconds of each round."""

    revive_to_offers: list[float]
    accept_to_running: list[float]
    accept_to_finished: list[float]


class Scheduler:
    """One framework that runs tasks on warm executors, one executor an agent."""

    def __init__(self, address: tuple[str, int], codec: Codec | None = None) -> None:
        self._codec = codec or JsonCodec(EXECUTOR_COMMAND)
        host, port = address
        self._pipe = Pipe(host, port, SCHEDULER_PATH, self._codec.content_type, self._codec.subscribe("benchmark"))
        self._queue: deque[Heard] = deque()
        self._held: dict[str, Offered] = {}
        self._launched = 0
        self._finished = 0
        self._codec.use_framework(self._next("SUBSCRIBED").text)

    def close(self) -> None:
        """TEARDOWN, and wait for the stream's end."""
        self._pipe.call(self._codec.plain("TEARDOWN"))
        deadline = time.monotonic() + EVENT_TIMEOUT_SECONDS
        with contextlib.suppress(ServerError):
            while not self._pipe.ended and time.monotonic() < deadline:
                self._pipe.events(1.0)
        self._pipe.close()

    def _next(self, kind: str) -> Heard:
        deadline = time.monotonic() + EVENT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            while self._queue:
                heard = self._queue.popleft()
                if heard.kind == kind:
                    return heard
                self._handle(heard)
            self._queue.extend(map(self._codec.decode, self._pipe.events(deadline - time.monotonic())))
        raise ServerError(f"no {kind} came")

    def _handle(self, heard: Heard) -> None:
        """Acknowledge, count, keep offers."""
        if heard.kind == "UPDATE":
            if heard.uuid is not None:
                self._pipe.call(self._codec.acknowledge(heard))
            if heard.state == FINISHED:
                self._finished += 1
            elif heard.state not in GOOD_STATES:
                raise ServerError(f"{heard.state} {heard.text}")
        elif heard.kind == "OFFERS":
            self._held.update({offer.offer_id: offer for offer in heard.offers})
        elif heard.kind == "RESCIND":
            self._held.pop(heard.text, None)
        elif heard.kind == "ERROR":
            raise ServerError(heard.text)

    def _pump(self, timeout_seconds: float) -> None:
        while self._queue:
            self._handle(self._queue.popleft())
        for record in self._pipe.events(timeout_seconds):
            self._handle(self._codec.decode(record))

    def _accept(self, offer: Offered, count: int) -> None:
        task_ids = [f"t{number}" for number in range(self._launched, self._launched + count)]
        self._launched += count
        self._pipe.call(self._codec.accept(offer, task_ids))

    def warm(self, agents: int) -> None:
        """One task on every agent, so that its executor runs."""
        seen: set[str] = set()
        wanted = self._finished + agents
        deadline = time.monotonic() + EVENT_TIMEOUT_SECONDS
        while self._finished < wanted:
            self._pump(0.05)
            for offer in list(self._held.values()):
                if offer.agent_id not in seen and offer.room > 0:
                    del self._held[offer.offer_id]
                    seen.add(offer.agent_id)
                    self._accept(offer, 1)
            if time.monotonic() > deadline:
                raise ServerError(f"only {sorted(seen)} came to work")

    def run(self, tasks: int, batch: int, window: int, agents: int) -> Throughput:
        """Run so many tasks, at most `batch` an ACCEPT and `window` unfinished at once."""
        self._launched = self._finished = 0
        self._pipe.call(self._codec.plain("REVIVE"))
        mine = time.process_time()
        started = asked = time.perf_counter()
        while self._finished < tasks:
            self._pump(REVIVE_SECONDS)
            while self._held and self._launched < tasks and self._launched - self._finished < window:
                _, offer = self._held.popitem()
                count = min(batch, tasks - self._launched, window - self._launched + self._finished, offer.room)
                if count > 0:
                    self._accept(offer, count)
                else:
                    self._pipe.call(self._codec.decline([offer], 0))
            now = time.perf_counter()
            if self._launched < tasks and len(self._held) < agents and now - asked > REVIVE_SECONDS:
                self._pipe.call(self._codec.plain("REVIVE"))
                asked = now
            if now - started > tasks / 20 + EVENT_TIMEOUT_SECONDS:
                raise ServerError(f"too slow: {self._finished} of {tasks} tasks")
        seconds = time.perf_counter() - started
        self._pipe.flush()
        return Throughput(tasks, seconds, time.process_time() - mine)

    def _return_all(self) -> None:
        """Decline everything held, for long; nothing else may be under way."""
        while True:
            self._queue.extend(map(self._codec.decode, self._pipe.wait_until_quiet(QUIET_SECONDS)))
            while self._queue:
                self._handle(self._queue.popleft())
            if not self._held:
                return
            self._pipe.call(self._codec.decline(list(self._held.values()), 3600))
            self._held.clear()

    def _big_offer(self) -> Offered:
        """Wait for an offer with room; scraps are kept back."""
        while True:
            for offer in self._next("OFFERS").offers:
                if offer.room > 0:
                    return offer
                self._held[offer.offer_id] = offer

    def latencies(self, rounds: int) -> Latencies:
        """One task at a time on one warm executor."""
        result = Latencies([], [], [])
        for _ in range(rounds):
            self._return_all()
            revived = time.perf_counter()
            self._pipe.call(self._codec.plain("REVIVE"))
            offer = self._big_offer()
            accepted = time.perf_counter()
            self._accept(offer, 1)
            self._wait_state(RUNNING)
            running = time.perf_counter()
            self._wait_state(FINISHED)
            finished = time.perf_counter()
            result.revive_to_offers.append((accepted - revived) * 1e3)
            result.accept_to_running.append((running - accepted) * 1e3)
            result.accept_to_finished.append((finished - accepted) * 1e3)
        return result

    def _wait_state(self, state: str) -> Heard:
        """The update, acknowledged."""
        while True:
            heard = self._next("UPDATE")
            self._handle(heard)
            if heard.state == state:
                self._pipe.flush()
                return heard

    def freed_to_offer(self, rounds: int) -> list[float]:
        """Milliseconds from an executor's saying that a task ended to the next offer of what the task held.

        REVIVE is never sent on the way.
        """
        self._return_all()
        self._pipe.call(self._codec.plain("REVIVE"))
        offer = self._big_offer()
        result = []
        for _ in range(rounds):
            self._launched += 1
            self._pipe.call(self._codec.accept(offer, [f"t{self._launched}"], offer.cpus, offer.mem))
            freed = self._wait_state(FINISHED).timestamp
            offer = self._next_offer_of(offer.cpus)
            result.append((time.time() - freed) * 1e3)
        return result

    def _next_offer_of(self, cpus: float) -> Offered:
        while True:
            for offer in self._next("OFFERS").offers:
                if offer.cpus >= cpus:
                    return offer
