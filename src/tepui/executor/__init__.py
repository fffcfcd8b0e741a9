"""Write an executor: the process that runs a framework's tasks on an agent.

    class Counter(TaskRunner):
        async def run_task(self, task):
            return str(len(task.data)).encode()

    asyncio.run(run(Counter()))

or iterate over the events of an `Executor` and answer each with `update`.
"""

from tepui.executor.client import Executor
from tepui.executor.environment import Environment, NotAnExecutorError, read_environment
from tepui.executor.events import Disconnected, Event, Kill, Launch, Message, Shutdown, Subscribed
from tepui.executor.runner import TaskRunner, run
from tepui.model.v1.mesos import TaskInfo, TaskState
from tepui.session.errors import CallRefusedError, QueueFullError, SessionError, SubscriptionError
from tepui.session.executor import Settings

__all__ = [
    "CallRefusedError",
    "Disconnected",
    "Environment",
    "Event",
    "Executor",
    "Kill",
    "Launch",
    "Message",
    "NotAnExecutorError",
    "QueueFullError",
    "SessionError",
    "Settings",
    "Shutdown",
    "Subscribed",
    "SubscriptionError",
    "TaskInfo",
    "TaskRunner",
    "TaskState",
    "read_environment",
    "run",
]
