"""What holds of an agent's records after every event, as sentences."""

from __future__ import annotations

from tepui.agent.operations import OPERATIONS_MAX, SETTLED_MAX
from tepui.agent.state import Executor, ExecutorKind, ExecutorState, Framework, State, Task
from tepui.agent.updates import PENDING_UPDATES_MAX, SEEN_UUIDS_MAX
from tepui.model.operations import apply_checkpointed, checkpointed
from tepui.model.resources import Resources
from tepui.model.task_states import TERMINAL_STATES


class InvariantError(AssertionError):
    """The core has broken a rule of its own."""


def holds(condition: bool, sentence: str, subject: object = "") -> None:
    if not condition:
        raise InvariantError(f"{sentence}: {subject}" if subject else sentence)


def check(state: State) -> None:
    """Raise InvariantError when one of the rules is broken."""
    holds(state.link is not None or not state.welcomed, "A master that has admitted the agent is linked to it")
    _check_resources(state)
    runs: dict[str, Executor] = {}
    alive = 0
    for framework_id, framework in state.frameworks.items():
        holds(framework.framework_id == framework_id, "A framework stands under its id", framework_id)
        holds(not framework.idle, "A framework without executors and tasks is history", framework_id)
        holds(framework_id not in state.completed_frameworks, "What is active is not history", framework_id)
        _check_framework(framework)
        for executor in framework.executors.values():
            runs[executor.run] = executor
        for executor in framework.all_executors():
            _check_own_runs(state, executor)
            alive += sum(not task.terminal for task in executor.tasks.values())
    holds(runs == state.runs, "The runs that were started and have not ended are those of the current executors")
    on_their_own: dict[str, Task] = {}
    for executor in runs.values():
        live = {task.run: task for task in executor.tasks.values() if task.run in state.task_runs}
        holds(executor.live_runs == len(live), "The runs of an executor's tasks are counted", executor.run)
        on_their_own |= live
    holds(on_their_own == state.task_runs, "The runs of tasks are those of current executors")
    sessions = {executor.session: executor for executor in runs.values() if executor.session is not None}
    holds(sessions == state.sessions, "Every open stream is that of a current executor")
    holds(sum(state.counters.tasks_alive.values()) == alive, "The tasks alive are counted")
    counted = state.counters.executors
    for one in (ExecutorState.REGISTERING, ExecutorState.RUNNING, ExecutorState.TERMINATING):
        holds(counted[one] == sum(executor.state is one for executor in runs.values()), "Executors are counted", one)


def _check_resources(state: State) -> None:
    total = apply_checkpointed(Resources.of(state.info.resources), state.checkpointed)
    holds(total == state.total, "The agent has what it was started with, changed by what is checkpointed")
    holds(checkpointed(state.total) == state.checkpointed, "What has to be checkpointed is")
    holds(all(kind.revocable for kind, _ in state.revocable), "What is lent is revocable")
    holds(len(state.operations) <= OPERATIONS_MAX, "Operations that wait are bounded")
    holds(len(state.settled_operations) <= SETTLED_MAX, "Remembered operations are bounded")
    for uuid, held in state.operations.items():
        holds(held.operation_uuid == uuid, "An operation stands under its uuid", uuid.hex())
        holds(held.status.uuid is not None, "Only what can be acknowledged waits for it", uuid.hex())


def _check_framework(framework: Framework) -> None:
    of_executors: dict[str, Task] = {}
    for executor in framework.all_executors():
        holds(executor.framework is framework, "An executor knows its framework", executor.run)
        _check_executor(executor)
        for task_id, task in executor.tasks.items():
            holds(task_id not in of_executors, "A task has one executor", task_id)
            of_executors[task_id] = task
    for run, executor in framework.ended_executors.items():
        holds(executor.state is ExecutorState.TERMINATED, "Only ended executors wait for acknowledgements", run)
        holds(bool(executor.tasks), "An ended executor without tasks is history", run)
    for task_id, task in framework.tasks.items():
        holds(task.task_id == task_id, "A task stands under its id", task_id)
        holds(of_executors.get(task_id, task) is task, "Framework and executor know the same task", task_id)
        holds((task.executor is not None) == (task_id in of_executors), "A task knows its executor", task_id)
        holds(task.executor is not None or task.terminal, "A task without an executor has ended", task_id)
        _check_task(task)
    missing = [task_id for task_id in of_executors if task_id not in framework.tasks]
    holds(not missing, "A framework knows the tasks of its executors", missing)


def _check_executor(executor: Executor) -> None:
    held = executor.own_resources
    for task in executor.tasks.values():
        holds(task.executor is executor, "A task knows its executor", task.task_id)
        if not task.terminal:
            held += task.resources
            holds(executor.state is not ExecutorState.TERMINATED, "Tasks end with their executor", task.task_id)
        queued = task.task_id in executor.queued
        holds(not queued or not (task.delivered or task.terminal), "What is queued was not sent", task.task_id)
        holds(queued or task.delivered or task.terminal, "What was not sent and has not ended is queued", task.task_id)
    holds(all(one in executor.tasks for one in executor.queued), "What is queued is a task", executor.run)
    holds(_same(held, executor.resources), "An executor holds its own resources and its tasks'", executor.run)
    ring = executor.completed_tasks.maxlen
    holds(ring is not None and len(executor.completed_tasks) <= ring, "History is bounded", executor.run)


def _check_own_runs(state: State, executor: Executor) -> None:
    """What the agent runs itself has a process from its delivery until its end."""
    if executor.kind is ExecutorKind.CUSTOM:
        holds(not executor.live_runs, "A custom executor runs its tasks itself", executor.run)
        return
    holds(executor.session is None, "An executor without a process has no stream", executor.run)
    holds(executor.state is not ExecutorState.REGISTERING, "An executor without a process runs at once", executor.run)
    if executor.kind is ExecutorKind.COMMAND:
        holds(len(executor.tasks) <= 1, "A command's executor has one task", executor.run)
    for task in executor.tasks.values():
        holds(bool(task.run), "A task without an executor process has a run", task.task_id)
        if not executor.framework.terminating:
            alive = task.delivered and not task.terminal
            holds(alive == (task.run in state.task_runs), "A task is alive as long as it runs", task.task_id)
    if executor.state is ExecutorState.RUNNING and not executor.framework.terminating:
        holds(bool(executor.tasks), "An executor without a process ends with its last task", executor.run)


def _same(left: Resources, right: Resources) -> bool:
    return left.contains(right) and right.contains(left)


def _check_task(task: Task) -> None:
    name = task.task_id
    holds(len(task.pending) <= PENDING_UPDATES_MAX, "Updates that wait are bounded", name)
    holds(len(task.seen) <= SEEN_UUIDS_MAX, "Remembered uuids are bounded", name)
    terminal = [status.state in TERMINAL_STATES for _, status in task.pending]
    holds(not any(terminal[:-1]), "Nothing follows a terminal update", name)
    if task.terminal and not task.framework.terminating:
        holds(bool(terminal) and terminal[-1], "A terminal state is reported until it is acknowledged", name)
    if task.pending:
        holds(task.pending[-1][1].state is task.state, "The newest update tells the latest state", name)
    holds(task.retry_level < 0 or bool(task.pending), "Only a pending update is outstanding", name)
    states = [status.state for status in task.statuses]
    holds(len(set(states)) == len(states), "Of each state one update is kept", name)
