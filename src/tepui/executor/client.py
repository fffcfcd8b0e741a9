"""The executor: events to iterate over, updates and messages to send."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from random import Random
from types import TracebackType
from uuid import uuid4

from tepui.executor.environment import Environment, read_environment
from tepui.executor.events import Disconnected, Event, Kill, Launch, Message, Shutdown, Subscribed
from tepui.model.v1 import executor
from tepui.model.v1.executor import Call
from tepui.model.v1.mesos import ExecutorID, FrameworkID, Label, Labels, TaskID, TaskState, TaskStatus
from tepui.session.errors import SessionError
from tepui.session.executor import Attached, Detached, ExecutorSession, ShutDown, launched_tasks
from tepui.session.steps import Ask, CallRefused, Stop
from tepui.transport.client import HttpTransport, Transport
from tepui.transport.conversation import Conversation


class Executor:
    """One executor's end of the conversation with its agent. Use it within one event loop:

        async with Executor() as executor:
            async for event in executor:
                match event: ...

    Who it is comes from the process's environment unless `environment` is given (raises NotAnExecutorError). Updates
    are sent in order, again until the agent has them, and with the next subscription when the agent was away. The
    iteration ends after `stop()`, or when the grace after `Shutdown` is over. Leaving the `async with` block waits
    until the agent has acknowledged every update.
    """

    def __init__(
        self,
        environment: Environment | None = None,
        *,
        transport: Transport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        random: Random | None = None,
    ) -> None:
        self.environment = environment or read_environment(os.environ)
        self._session = ExecutorSession(
            self.environment.framework_id,
            self.environment.executor_id,
            self.environment.agent_address,
            random or Random(),
            self.environment.settings,
            "http" if ssl_context is None else "https",
        )
        self._transport = transport or HttpTransport(ssl_context)
        self._conversation: Conversation | None = None
        self._is_stopping = False

    @property
    def is_subscribed(self) -> bool:
        return self._session.is_subscribed

    async def __aenter__(self) -> Executor:
        if self._conversation is not None:
            raise RuntimeError("An Executor is used once; make another")
        token = self.environment.token
        headers = None if token is None else {"Authorization": f"Bearer {token}"}
        self._conversation = Conversation(self._session, executor.Event, self._transport, headers)
        self._conversation.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        conversation = self._active()
        try:
            if not conversation.is_finished and (error is None or isinstance(error, Exception)):
                conversation.tell(Stop())
                await conversation.finished()
        finally:
            await conversation.close()

    def __aiter__(self) -> Executor:
        return self

    async def __anext__(self) -> Event:
        conversation = self._active()
        while not self._is_stopping:
            item = await conversation.take()
            if item is None:
                break
            event = _event_of(item)
            if event is not None:
                return event
        raise StopAsyncIteration

    def stop(self) -> None:
        """End the iteration after the event that is being handled."""
        self._is_stopping = True
        if self._conversation is not None:
            self._conversation.wake()

    def update(
        self,
        task_id: str,
        state: TaskState,
        *,
        message: str | None = None,
        data: bytes | None = None,
        healthy: bool | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Tell the scheduler a task's new state; `message` is for people, `data` for the scheduler. Raises
        QueueFullError when 100,000 updates wait for the agent."""
        pairs = None if labels is None else Labels(labels=[Label(key=key, value=text) for key, text in labels.items()])
        status = TaskStatus(
            task_id=TaskID(value=task_id),
            state=state,
            message=message,
            source=TaskStatus.Source.SOURCE_EXECUTOR,
            data=data,
            timestamp=time.time(),
            uuid=uuid4().bytes,
            healthy=healthy,
            labels=pairs,
        )
        self._ask(Call.Type.UPDATE, update=Call.Update(status=status))

    def message(self, data: bytes) -> None:
        """Send bytes to the scheduler. Messages may be lost, or come twice."""
        self._ask(Call.Type.MESSAGE, message=Call.Message(data=data))

    def _ask(self, kind: Call.Type, update: Call.Update | None = None, message: Call.Message | None = None) -> None:
        call = Call(
            executor_id=ExecutorID(value=self.environment.executor_id),
            framework_id=FrameworkID(value=self.environment.framework_id),
            type=kind,
            update=update,
            message=message,
        )
        self._active().tell(Ask(call))

    def _active(self) -> Conversation:
        if self._conversation is None:
            raise SessionError("Enter the executor first: async with Executor() as executor")
        return self._conversation


def _event_of(item: object) -> Event | None:
    match item:
        case Attached(event, again):
            return Subscribed(event.executor_info, event.framework_info, event.agent_info, again)
        case Detached(why):
            return Disconnected(why)
        case ShutDown(why, grace_seconds):
            return Shutdown(why, grace_seconds)
        case CallRefused(error):
            raise error
        case executor.Event():
            return _protocol_event(item)
    return None


def _protocol_event(event: executor.Event) -> Event | None:
    if event.kill is not None:
        policy = event.kill.kill_policy
        grace = None if policy is None else policy.grace_period
        return Kill(event.kill.task_id.value, None if grace is None else grace.nanoseconds / 1e9)
    if event.message is not None:
        return Message(event.message.data)
    tasks = launched_tasks(event)
    return Launch(tasks, event.launch_group is not None) if tasks else None
