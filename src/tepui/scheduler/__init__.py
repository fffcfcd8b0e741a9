"""Write a framework: `Scheduler` talks with the master, `Offer` makes tasks, `DelayScheduling` finds them places.

    async with Scheduler("127.0.0.1:5050", "my framework") as scheduler:
        async for event in scheduler:
            match event:
                case Offers(offers):
                    for offer in offers:
                        scheduler.launch(offer, [offer.task("echo hello", cpus=1, mem=64)])
                case Update() if event.is_terminal:
                    scheduler.stop()

or, with events as methods, `await run(Scheduler(...), MyHandler())`.
"""

from tepui.model.v1.mesos import ExecutorInfo, FrameworkInfo, TaskInfo, TaskState, TaskStatus
from tepui.scheduler.client import Scheduler
from tepui.scheduler.delay import DelayScheduling, Locality
from tepui.scheduler.events import (
    CallLost,
    Disconnected,
    Event,
    Failure,
    InverseOffers,
    InverseRescinded,
    Message,
    Offers,
    OperationUpdate,
    Rescinded,
    Subscribed,
    Update,
)
from tepui.scheduler.handler import Handler, run
from tepui.scheduler.offers import DoesNotFitError, Offer, ports_of
from tepui.scheduler.tasks import command_info, executor_info, framework_info
from tepui.session.errors import (
    CallRefusedError,
    FailedOverError,
    QueueFullError,
    RemovedError,
    SessionError,
    SubscriptionError,
)
from tepui.session.scheduler import Settings

__all__ = [
    "CallLost",
    "CallRefusedError",
    "DelayScheduling",
    "Disconnected",
    "DoesNotFitError",
    "Event",
    "ExecutorInfo",
    "FailedOverError",
    "Failure",
    "FrameworkInfo",
    "Handler",
    "InverseOffers",
    "InverseRescinded",
    "Locality",
    "Message",
    "Offer",
    "Offers",
    "OperationUpdate",
    "QueueFullError",
    "RemovedError",
    "Rescinded",
    "Scheduler",
    "SessionError",
    "Settings",
    "Subscribed",
    "SubscriptionError",
    "TaskInfo",
    "TaskState",
    "TaskStatus",
    "Update",
    "command_info",
    "executor_info",
    "framework_info",
    "ports_of",
    "run",
]
