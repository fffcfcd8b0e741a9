"""A batch on a cluster: the framework that launches what the machine decides, and tells it what is heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tepui.frameworks.batch.graph import Command
from tepui.frameworks.batch.journal import Finished, Journal, Left, Subscribed
from tepui.frameworks.batch.machine import Batch, Decision, Kill, Run, Verdict
from tepui.frameworks.batch.verdicts import verdict_of, why_of
from tepui.scheduler import (
    CallLost,
    Offer,
    Offers,
    RemovedError,
    Scheduler,
    TaskInfo,
    Update,
    framework_info,
)
from tepui.scheduler import Subscribed as SubscribedEvent

FAILOVER_SECONDS = 7 * 86400.0
"""So long tasks run on without the batch."""
TICK_SECONDS = 0.25
"""Between two looks at the clock: for progress, for the disk, for runs that nobody knows."""
RECONCILE_SECONDS = 15.0
"""Runs of an earlier life that nothing is heard of are asked for again after this."""
RECONCILED_TASKS_MAX = 1000
REFUSE_SECONDS = 1.0
"""What is left of an offer is welcome again so soon: other commands may be ready then."""
STOP_SECONDS_MAX = 15.0
"""An interrupted batch waits so long for its tasks to end; then they end with their framework."""
_REMOVED = "its framework was removed"


@dataclass(frozen=True)
class Outcome:
    """How a life of the batch ended."""

    framework_id: str | None
    seconds: float
    is_interrupted: bool


class Runner:
    """One life of a batch. `look` is called several times a second, and once at the end; `unfit` when commands are
    ready and none fits what is offered."""

    def __init__(
        self,
        masters: str | Sequence[str],
        batch: Batch,
        journal: Journal,
        *,
        name: str,
        role: str = "*",
        user: str | None = None,
        look: Callable[[Batch], None] = lambda _: None,
        unfit: Callable[[Batch, list[Offer]], None] = lambda _, __: None,
    ) -> None:
        self._masters = masters
        self._batch = batch
        self._journal = journal
        self._name = name
        self._role = role
        self._user = user
        self._look = look
        self._unfit = unfit
        self._scheduler: Scheduler | None = None
        self._begun_at = time.monotonic()
        self._asked_at = 0.0
        self._stop_at: float | None = None
        self._is_suppressed = False
        self._framework_id: str | None = None

    async def run(self) -> Outcome:
        """Run until all commands have ended, or until `interrupt`. Raises SessionError when the master refuses."""
        if self._batch.is_over and self._journal.framework_id is None:
            return self._outcome()
        try:
            await self._live()
        except RemovedError as error:
            if self._framework_id is not None:
                self._forget_framework()
                raise RemovedError(f"{error}; run the same command again to go on") from None
            self._forget_framework()
            await self._live()
        return self._outcome()

    def interrupt(self) -> None:
        """End what runs and begin nothing more; the second time, do not wait for that."""
        if self._stop_at is not None:
            self._stop_at = time.monotonic()
            return
        self._stop_at = time.monotonic() + STOP_SECONDS_MAX
        self._apply(self._batch.stop())
        self._end_if_over()

    def _outcome(self) -> Outcome:
        return Outcome(self._framework_id, time.monotonic() - self._begun_at, self._stop_at is not None)

    def _forget_framework(self) -> None:
        self._journal.framework_id = None
        self._journal.append([Left()])
        self._apply(self._batch.lose_all(Verdict.LOST, _REMOVED))

    # The conversation.

    async def _live(self) -> None:
        info = framework_info(
            self._name,
            roles=[self._role],
            user=self._user,
            failover_timeout_seconds=FAILOVER_SECONDS,
            checkpoint=True,
            framework_id=self._journal.framework_id,
        )
        self._is_suppressed = False
        async with Scheduler(self._masters, info) as scheduler:
            self._scheduler = scheduler
            ticking = asyncio.create_task(self._tick())
            ticking.add_done_callback(lambda task: None if task.cancelled() else scheduler.stop(failover=True))
            try:
                async for event in scheduler:
                    self._handle(event)
                    self._end_if_over()
            finally:
                self._scheduler = None
                if not ticking.done():
                    ticking.cancel()
            if ticking.done():
                ticking.result()  # it ends by itself only when it fails
            scheduler.stop()
        if self._batch.is_finished:
            self._journal.append([Finished()])
        if scheduler.is_torn_down:  # else its tasks may run on, and the next life asks for them
            if not self._batch.is_finished:
                self._apply(self._batch.lose_all(Verdict.STOPPED, ""))
            self._journal.append([Left()])
        self._journal.sync()
        self._look(self._batch)

    def _handle(self, event: object) -> None:
        match event:
            case Update(status):
                task = status.task_id.value
                self._apply(self._batch.hear(task, verdict_of(status), why_of(status), time.monotonic()))
                self._ask_for_offers()
            case Offers(offers):
                self._place(offers)
            case SubscribedEvent(framework_id):
                if self._journal.framework_id != framework_id:
                    self._journal.append([Subscribed(framework_id)])
                    self._journal.framework_id = framework_id
                self._framework_id = framework_id
                self._reconcile()
                if self._stop_at is not None:
                    self._apply(self._batch.stop())
            case CallLost(sent=False):
                for task in event.task_ids:
                    self._apply(self._batch.hear(task, Verdict.STOPPED, "", time.monotonic()))
                self._ask_for_offers()

    def _end_if_over(self) -> None:
        if self._scheduler is not None and self._batch.is_over:
            self._scheduler.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            self._apply(self._batch.tick(now))
            self._ask_for_offers()
            if now - self._asked_at >= RECONCILE_SECONDS:
                self._reconcile()
            self._journal.sync()
            self._look(self._batch)
            self._end_if_over()
            if self._stop_at is not None and now >= self._stop_at and self._scheduler is not None:
                self._scheduler.stop()

    # Decisions.

    def _apply(self, decisions: Iterable[Decision]) -> None:
        records = []
        for decision in decisions:
            if not isinstance(decision, Kill):
                records.append(decision)
            elif self._scheduler is not None:
                self._scheduler.kill(decision.task, decision.agent)
        self._journal.append(records)

    def _place(self, offers: list[Offer]) -> None:
        assert self._scheduler is not None
        used = False
        for offer in offers:
            tasks: list[TaskInfo] = []

            def take(command: Command, task: str, offer: Offer = offer, tasks: list[TaskInfo] = tasks) -> bool:
                needs = command.needs
                if not offer.fits(needs.cpus, needs.mem, disk=needs.disk, gpus=needs.gpus):
                    return False
                tasks.append(_task(offer, command, task))
                return True

            self._journal.append(self._batch.fill(offer.agent_id, take))
            self._scheduler.launch(offer, tasks, REFUSE_SECONDS)
            used = used or bool(tasks)
        if not self._batch.wants_offers and not self._is_suppressed:
            self._is_suppressed = True
            self._scheduler.suppress()
        elif self._batch.wants_offers and not used and not self._batch.runs:
            self._unfit(self._batch, offers)

    def _ask_for_offers(self) -> None:
        if self._is_suppressed and self._batch.wants_offers and self._scheduler is not None:
            self._is_suppressed = False
            self._scheduler.revive()

    def _reconcile(self) -> None:
        """Ask for what an earlier life left running."""
        self._asked_at = time.monotonic()
        runs: list[Run] = self._batch.unheard()
        for first in range(0, len(runs), RECONCILED_TASKS_MAX):
            part = runs[first : first + RECONCILED_TASKS_MAX]
            if self._scheduler is not None:
                self._scheduler.reconcile({run.task: run.agent for run in part})


def _task(offer: Offer, command: Command, task: str) -> TaskInfo:
    needs = command.needs
    return offer.task(
        command.command if isinstance(command.command, str) else list(command.command),
        cpus=needs.cpus,
        mem=needs.mem,
        disk=needs.disk,
        gpus=needs.gpus,
        task_id=task,
        name=command.name,
        environment=dict(command.environment) or None,
        max_completion_seconds=command.timeout,
    )
