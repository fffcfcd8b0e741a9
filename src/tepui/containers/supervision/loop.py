"""The supervisor's loop: commands of the agent in, events out, and the life of each run between them."""

from __future__ import annotations

import binascii
import heapq
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from functools import partial

from .connection import PROTOCOL_VERSION, STRANGERS_MAX, Connection
from .journal import ROUND_SECONDS_MIN, Journal, Run
from .processes import Processes, may_be, process_stat, read_small, signal_processes
from .spawning import RefusedError, Spawner, checked_seconds, texts
from .strays import Strays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

RUNS_MAX = 20_000
"""Runs on record, ended ones that were not forgotten included."""
RUN_ID_LENGTH_MAX = 256
RUNS_PER_FRAME = 1_000
HELLO_TIMEOUT_SECONDS = 5.0
LINGER_SECONDS = 10.0
"""How long the supervisor stays with neither an agent nor a live run, and waits for the agent after its own start."""
ORPHAN_GRACE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL for runs that are killed because the agent stayed away."""
ACCEPT_PAUSE_SECONDS = 1.0
"""After a connection could not be accepted, for want of file descriptors say."""
ROUND_SECONDS_MAX = 1.0
"""Rounds of SIGKILL to one tree: the pause between two doubles up to this."""
PIDFDS_MAX = 256
"""Runs taken over beyond these, or beyond a quarter of the files that may be open, are looked at every so often: file
descriptors are for starting runs."""
POLL_SECONDS = 1.0
LOG_BYTES_MAX = 1024 * 1024
"""What one supervisor writes to its log at most."""
TIMERS_SPARE = 4_000
"""Timers of runs that ended are swept out when there are so many more timers than live runs."""
CHECK_TIMEOUT_SECONDS = 10.0
FAULTS_IN_A_ROW_MAX = 100

WHY_ADOPTED = "The exit status is unknown: the supervisor was replaced while the run was alive"
WHY_UNSEEN = "The exit status is unknown: the run ended while no supervisor was there to see it"
WHY_UNFINISHED_START = "The supervisor ended while it was starting the run"
WHY_REBOOT = "The machine was restarted while the run was alive"
WHY_OUT_OF_REACH = "Processes of other users are left: this one may not kill them"


_log_bytes_left = LOG_BYTES_MAX


def log(message: str) -> None:
    global _log_bytes_left
    if _log_bytes_left > 0:
        _log_bytes_left -= len(message) + 1
        try:
            sys.stderr.write(message + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # a full disk, say; there is nobody to tell


def log_exception() -> None:
    global _log_bytes_left
    if _log_bytes_left > 0:
        _log_bytes_left -= 4096  # about what it takes; the interpreter writes it, without importing what formats it
        sys.excepthook(*sys.exc_info())


def build_of(directory: str) -> int:
    """A checksum of the program in `directory`; the agent asks for an upgrade when it has another one."""
    checksum = 0
    for name in sorted(os.listdir(directory)):
        if name.endswith(".py"):
            checksum = binascii.crc32(read_small(os.path.join(directory, name)), checksum)
    return checksum


class Supervisor:
    """The loop. A turn: read commands and reap; settle the trees of runs that end; send what there is to tell."""

    def __init__(
        self, state_dir: str, socket_path: str, listener: socket.socket, lock_descriptor: int, linger_seconds: float
    ) -> None:
        self._socket_path = socket_path
        self._listener = listener
        self._lock_descriptor = lock_descriptor
        self._linger_seconds = linger_seconds
        self._build = build_of(os.path.dirname(os.path.abspath(__file__)))
        self._journal = Journal(state_dir)
        self._spawner = Spawner()
        self._processes = Processes()
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None], Run | None]] = []
        self._timer_count = 0
        self._agent: Connection | None = None
        self._agent_count = 0
        """Grows with each connection and each loss of one: an orphan timer of an older time is void."""
        self._strangers: list[Connection] = []
        self._runs: dict[str, Run] = {}
        self._mains: dict[int, Run] = {}
        """Main processes that are our children."""
        self._sessions: dict[int, Run] = {}
        """By the pid of the main process, which is the session's number too, as long as the run is not settled."""
        self._strays = Strays(self._processes, self._mains, self._sessions, self._run_of)
        """Our other children."""
        self._terminating: list[Run] = []
        self._dying: dict[str, Run] = {}
        """Ended or to be destroyed, and not settled."""
        self._live_runs = 0
        self._pidfds = 0
        self._pidfds_max = min(PIDFDS_MAX, os.sysconf("SC_OPEN_MAX") // 4)
        self._idle_since: float | None = None
        self._stopping = False
        self._stopped = False
        self._wakeup_reader, self._wakeup_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # The loop

    def run(self) -> None:
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT):
            # Handled, not ignored: an ignored signal would stay ignored in every run.
            signal.signal(number, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wakeup_reader, selectors.EVENT_READ, self._woken)
        self._recover()
        self._await_agent(self._linger_seconds)
        self._consider_leaving(time.monotonic())
        faults = 0
        while not self._stopped:
            try:
                self._turn()
                faults = 0
            except Exception:
                # Whatever it is, it is better reported and survived: the exits of all runs are lost with this process.
                log_exception()
                faults += 1
                if faults >= FAULTS_IN_A_ROW_MAX:
                    raise
        self._flush()
        try:
            os.unlink(self._socket_path)
        except OSError:
            return

    def _turn(self) -> None:
        timeout = None
        if self._timers:
            timeout = max(0.0, self._timers[0][0] - time.monotonic())
        ready = self._selector.select(timeout)
        self._processes.new_turn()
        for key, _ in ready:
            key.data()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self._reap()
        self._settle(now)
        self._flush()
        if self._journal.wants_rewrite(len(self._runs)):
            self._rewrite_journal()
        if len(self._timers) > 4 * self._live_runs + TIMERS_SPARE:
            self._timers = [timer for timer in self._timers if timer[3] is None or not timer[3].ended]
            heapq.heapify(self._timers)
        self._consider_leaving(now)

    def _after(self, seconds: float, callback: Callable[[], None], run: Run | None = None) -> None:
        """Call back later; not necessarily, if the timer is for a run and that has ended."""
        self._timer_count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._timer_count, callback, run))

    def _woken(self) -> None:
        try:
            os.read(self._wakeup_reader, 4096)
        except BlockingIOError:
            return

    def _on_sigterm(self, _number: int, _frame: object) -> None:
        self._stopped = True

    def _consider_leaving(self, now: float) -> None:
        if self._live_runs or self._dying:
            self._idle_since = None
            return
        if self._stopping:
            self._stopped = True
        elif self._agent is not None:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
            self._after(self._linger_seconds, lambda: None)
        elif now - self._idle_since >= self._linger_seconds:
            self._stopped = True

    # Records

    def _record(self, line: dict[str, Any]) -> bool:
        try:
            self._journal.write(line)
        except OSError as error:
            log(f"Cannot write the journal: {error.strerror}")
            return False
        return True

    def _rewrite_journal(self) -> None:
        try:
            self._journal.rewrite(self._runs)
        except OSError as error:
            log(f"Cannot rewrite the journal: {error.strerror}")
            self._journal.keep()

    def _recover(self) -> None:
        """Take over what an earlier supervisor, or this one before its upgrade, has left."""
        self._runs, same_boot = self._journal.load()
        now = time.monotonic()
        for run in self._runs.values():
            self._live_runs += not run.ended
            if not same_boot:
                self._end(run, None, WHY_REBOOT, record=False)
                del self._dying[run.id]
                run.settled = True
            elif run.ended or not run.pid:
                run.adopted = True
                self._end(run, None, WHY_UNFINISHED_START, record=False)
            else:
                self._recover_process(run)
                if run.beheld:
                    self._sessions[run.pid] = run
                if not run.ended and run.kill_at is not None:
                    if not run.kill_told and run.kill_at > now:
                        self._terminating.append(run)
                    self._schedule_kill(run, run.kill_at - now)
        self._rewrite_journal()

    def _recover_process(self, run: Run) -> None:
        run.adopted = True
        process = process_stat(run.pid)
        if process is not None and process.ticks == run.ticks:
            if process.parent == os.getpid():
                run.adopted = False
                run.beheld = True
                self._mains[run.pid] = run
                return
            if not process.dead:
                run.beheld = True
                self._watch_adopted(run)
                return
        self._end(run, None, WHY_UNSEEN, record=False)

    def _watch_adopted(self, run: Run) -> None:
        """Notice the end of a process that is no child: by a pidfd, or by looking again and again."""
        if self._pidfds < self._pidfds_max:
            try:
                run.pidfd = os.pidfd_open(run.pid)
            except OSError:  # it ended just now, or there are none to be had
                self._look_at_adopted(run)
                return
            self._pidfds += 1
            self._selector.register(run.pidfd, selectors.EVENT_READ, partial(self._adopted_ended, run))
        self._look_at_adopted(run)

    def _look_at_adopted(self, run: Run) -> None:
        # With a pidfd too, once: it may have been opened on another process that has the pid now.
        if not self._is_there(run):
            self._adopted_ended(run)
        elif run.pidfd < 0:
            self._after(POLL_SECONDS, partial(self._look_at_adopted, run))

    def _is_running(self, run: Run) -> bool:
        """Whether the main process is there; of processes that are no children the pid alone does not tell."""
        if run.ended or not run.adopted or run.pidfd >= 0:
            return not run.ended
        return self._is_there(run)

    def _is_there(self, run: Run) -> bool:
        process = process_stat(run.pid)
        return process is not None and process.ticks == run.ticks and not process.dead

    # Commands of the agent

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            log(f"Cannot accept a connection: {error.strerror}")
            self._selector.unregister(self._listener)
            self._after(ACCEPT_PAUSE_SECONDS, self._listen_again)
            return
        sock.setblocking(False)
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid not in (0, os.geteuid()):
            sock.close()
            return
        if len(self._strangers) >= STRANGERS_MAX:
            self._close(self._strangers[0])
        connection = Connection(sock, time.monotonic())
        self._strangers.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._on_ready(connection))
        self._after(HELLO_TIMEOUT_SECONDS, lambda: self._expect_hello(connection))

    def _listen_again(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _expect_hello(self, connection: Connection) -> None:
        if connection in self._strangers:
            self._close(connection)

    def _on_ready(self, connection: Connection) -> None:
        if connection.closing:
            return  # it can be written to; the end of the turn does that
        try:
            for frame in connection.receive():
                self._on_frame(connection, frame)
        except EOFError:
            self._close(connection)
        except RefusedError as error:
            self._refuse(connection, str(error))

    def _refuse(self, connection: Connection, why: str) -> None:
        """Say why and close: what follows a bad frame cannot be understood either."""
        self._retire(connection, {"event": "error", "why": why})

    def _retire(self, connection: Connection, last: dict[str, Any]) -> None:
        """Send one more event, then close; it may take no longer than a hello."""
        connection.send(last)
        connection.closing = True
        if connection is self._agent:
            self._lose_agent()
            self._strangers.append(connection)
            self._after(HELLO_TIMEOUT_SECONDS, partial(self._expect_hello, connection))

    def _close(self, connection: Connection) -> None:
        try:
            self._selector.unregister(connection.sock)
        except KeyError:
            return
        connection.sock.close()
        if connection in self._strangers:
            self._strangers.remove(connection)
        if connection is self._agent:
            self._lose_agent()

    def _on_frame(self, connection: Connection, frame: dict[str, Any]) -> None:
        command = frame.get("command")
        if not connection.greeted:
            if command != "hello":
                raise RefusedError("The first frame must be a hello")
            self._hello(connection, frame)
        elif command == "upgrade":
            self._upgrade(connection, frame)
        elif connection is not self._agent:
            raise RefusedError("No protocol version in common")
        else:
            method = self._COMMANDS.get(command) if isinstance(command, str) else None
            if method is None:
                raise RefusedError(f"Unknown command {command!r}")
            method(self, frame)

    def _hello(self, connection: Connection, frame: dict[str, Any]) -> None:
        versions = frame.get("versions")
        if not isinstance(versions, list) or not all(isinstance(version, int) for version in versions):
            raise RefusedError("A hello must list its protocol versions")
        connection.greeted = True
        connection.version = PROTOCOL_VERSION if PROTOCOL_VERSION in versions else None
        connection.send(
            {
                "event": "hello",
                "versions": [PROTOCOL_VERSION],
                "version": connection.version,
                "pid": os.getpid(),
                "build": self._build,
            }
        )
        if connection.version is None:
            return
        self._strangers.remove(connection)
        if self._agent is not None:
            self._retire(self._agent, {"event": "replaced"})
        self._agent = connection
        self._agent_count += 1
        self._list({})

    def _lose_agent(self) -> None:
        self._agent = None
        self._agent_count += 1
        self._await_agent(0.0)

    def _await_agent(self, seconds_min: float) -> None:
        """Kill each run when the agent has been away for the run's own time, and for `seconds_min`."""
        for timeout in {run.orphan_timeout_seconds for run in self._runs.values() if not run.ended}:
            if timeout is not None:
                callback = partial(self._kill_orphans, self._agent_count, timeout)
                self._after(max(timeout, seconds_min), callback)

    def _kill_orphans(self, count: int, seconds: float) -> None:
        if count != self._agent_count:
            return
        for run in self._runs.values():
            if not run.ended and run.orphan_timeout_seconds == seconds:
                self._kill_run(run, ORPHAN_GRACE_SECONDS, f"Killed: the agent was away for {seconds:g} seconds")

    @staticmethod
    def _run_id(frame: dict[str, Any]) -> str:
        run = frame.get("run")
        if not isinstance(run, str) or not 0 < len(run) <= RUN_ID_LENGTH_MAX or "\0" in run:
            raise RefusedError(f"run must be a text of 1 to {RUN_ID_LENGTH_MAX} characters")
        return run

    def _start(self, frame: dict[str, Any]) -> None:
        run_id = self._run_id(frame)
        known = self._runs.get(run_id)
        if known is not None:
            # Said again after a connection was lost: the answer may have been lost with it.
            if known.settled:
                self._tell_exited(known)
            else:
                self._tell({"event": "started", "run": run_id, "pid": known.pid})
            return
        try:
            self._spawn(run_id, frame)
        except RefusedError as error:
            self._tell({"event": "failed", "run": run_id, "why": str(error)})

    def _spawn(self, run_id: str, frame: dict[str, Any]) -> None:
        if self._stopping:
            raise RefusedError("The supervisor is stopping")
        if len(self._runs) >= RUNS_MAX:
            raise RefusedError(f"The supervisor has {RUNS_MAX} runs on record, which is the limit")
        timeout = frame.get("orphan_timeout_seconds")
        run = Run(run_id, None if timeout is None else checked_seconds(timeout, "orphan_timeout_seconds"))
        if not self._record(run.lines()[0]):
            raise RefusedError("The start cannot be recorded: the journal cannot be written")
        try:
            run.pid = self._spawner.spawn(self._marker(run_id), frame)
        except RefusedError:
            self._record({"run": run_id, "gone": True})
            raise
        except (ValueError, OSError, subprocess.SubprocessError) as error:
            self._record({"run": run_id, "gone": True})
            raise RefusedError(f"Cannot start the run: {error}") from None
        process = process_stat(run.pid)
        run.ticks = 0 if process is None else process.ticks
        run.beheld = True
        self._runs[run_id] = run
        self._mains[run.pid] = run
        self._sessions[run.pid] = run
        self._live_runs += 1
        self._record(run.lines()[1])
        self._tell({"event": "started", "run": run_id, "pid": run.pid})

    def _kill(self, frame: dict[str, Any]) -> None:
        run_id = self._run_id(frame)
        grace_seconds = checked_seconds(frame.get("grace_seconds"), "grace_seconds")
        run = self._runs.get(run_id)
        if run is None:
            self._tell({"event": "failed", "run": run_id, "why": "The supervisor knows no such run"})
        elif not run.ended:
            self._kill_run(run, grace_seconds, "")

    def _kill_run(self, run: Run, grace_seconds: float, why: str) -> None:
        """SIGTERM now, SIGKILL after the grace. Said again it can only bring the SIGKILL forward."""
        kill_at = time.monotonic() + grace_seconds
        if run.kill_at is not None and run.kill_at <= kill_at:
            return
        if run.kill_at is None:
            run.kill_why = why
            if grace_seconds > 0:
                self._terminating.append(run)
        run.kill_at = kill_at
        self._record({"run": run.id, "kill": kill_at, "why": run.kill_why})
        self._schedule_kill(run, grace_seconds)

    def _schedule_kill(self, run: Run, seconds: float) -> None:
        if seconds <= 0:
            self._destroy(run)
        else:
            kill_at = run.kill_at
            self._after(seconds, lambda: self._destroy(run) if run.kill_at == kill_at else None, run)

    def _signal(self, frame: dict[str, Any]) -> None:
        """To the main process alone. A run that is not there, or not any more, has nothing to receive it."""
        run = self._runs.get(self._run_id(frame))
        number = frame.get("signal")
        if not isinstance(number, int) or not 0 < number < signal.NSIG:
            raise RefusedError("signal must be the number of a signal")
        if run is not None and self._is_running(run):
            try:
                if run.pidfd >= 0:
                    signal.pidfd_send_signal(run.pidfd, number)
                else:
                    os.kill(run.pid, number)
            except OSError:
                return

    def _list(self, _frame: dict[str, Any]) -> None:
        entries = [
            {
                "run": run.id,
                "pid": run.pid,
                "state": "exited" if run.settled else "running",
                "killing": run.kill_at is not None or run.ended,
                "status": run.status,
                "why": run.why,
                "at": run.at,
            }
            for run in self._runs.values()
        ]
        for first in range(0, max(1, len(entries)), RUNS_PER_FRAME):
            part = entries[first : first + RUNS_PER_FRAME]
            self._tell({"event": "runs", "runs": part, "more": first + RUNS_PER_FRAME < len(entries)})

    def _forget(self, frame: dict[str, Any]) -> None:
        run = self._runs.get(self._run_id(frame))
        if run is not None and run.settled:
            del self._runs[run.id]
            self._record({"run": run.id, "gone": True})

    def _stop(self, frame: dict[str, Any]) -> None:
        """Leave: with `kill` when all runs are dead and reported, else at once, for a later supervisor to take over."""
        self._stopping = True
        if not frame.get("kill"):
            self._stopped = True
            return
        for run in self._runs.values():
            if not run.ended:
                self._kill_run(run, 0.0, "")

    def _upgrade(self, connection: Connection, frame: dict[str, Any]) -> None:
        """Become another program with the same children, listening socket and lock; runs do not notice.

        The agent's connection is closed: the new program greets it afresh and may speak another protocol version.
        """
        argv = texts(frame.get("argv"), "argv")
        try:
            with subprocess.Popen([*argv, "--check"], stdin=subprocess.DEVNULL) as check:
                try:
                    status = check.wait(CHECK_TIMEOUT_SECONDS)
                except subprocess.TimeoutExpired:
                    check.kill()
                    raise RefusedError("The new program does not answer") from None
            if status:
                raise RefusedError(f"The new program refuses its arguments (status {status})")
            inherited = [self._listener.fileno(), self._lock_descriptor]
            try:
                for descriptor in inherited:
                    os.set_inheritable(descriptor, True)
                os.execv(argv[0], [*argv, "--inherited", ",".join(map(str, inherited))])
            finally:
                for descriptor in inherited:
                    os.set_inheritable(descriptor, False)
        except (OSError, ValueError, IndexError, RefusedError) as error:
            connection.send({"event": "upgrade_failed", "why": str(error)})

    _COMMANDS = {  # noqa: RUF012 -- never changed; an annotation would need typing
        "start": _start,
        "kill": _kill,
        "signal": _signal,
        "list": _list,
        "forget": _forget,
        "stop": _stop,
    }

    # Ends

    def _reap(self) -> None:
        while True:
            try:
                # WNOWAIT: the status is on disk before the kernel is told that it may forget it.
                child = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if child is None:
                return
            run = self._mains.pop(child.si_pid, None)
            if run is not None:
                core = 0x80 if child.si_code == os.CLD_DUMPED else 0
                status = child.si_status << 8 if child.si_code == os.CLD_EXITED else child.si_status | core
                self._end(run, status, run.kill_why)
            self._strays.reaped(child.si_pid)
            os.waitpid(child.si_pid, 0)

    def _adopted_ended(self, run: Run) -> None:
        if run.pidfd >= 0:
            self._selector.unregister(run.pidfd)
            os.close(run.pidfd)
            run.pidfd = -1
            self._pidfds -= 1
        if not run.ended:
            self._end(run, None, WHY_ADOPTED)

    def _end(self, run: Run, status: int | None, why: str, record: bool = True) -> None:
        """The main process is gone; what is left of the tree follows it."""
        if not run.ended:
            self._live_runs -= 1
            run.ended, run.status, run.why, run.at = True, status, why, time.time()
            if record:
                self._record({"run": run.id, "ended": status, "why": why, "at": run.at})
        self._dying[run.id] = run

    def _destroy(self, run: Run) -> None:
        if not run.ended:
            run.destroying = True
            self._dying[run.id] = run

    def _settle(self, now: float) -> None:
        """Signal the trees that are to be signalled; report the runs of which nothing is left."""
        if not (self._terminating or self._dying or self._strays.expected):
            return
        self._strays.find()
        for run in self._terminating:
            if not run.ended:
                tree = self._processes.tree(self._roots(run))
                signal_processes(tree, signal.SIGTERM)
                signal_processes(tree, signal.SIGCONT)  # a stopped process could not heed the SIGTERM
                run.kill_told = True
                self._record({"run": run.id, "told": True})
        self._terminating.clear()
        for run in list(self._dying.values()):
            self._settle_run(run, now)
        for stray in self._strays.ownerless(self._runs.values()):
            signal_processes(self._processes.tree((stray,)), signal.SIGKILL)

    def _settle_run(self, run: Run, now: float) -> None:
        due = now >= run.round_at
        if run.adopted and not due:
            return
        roots = self._roots(run)
        if not roots:
            if self._strays.unknown or (run.adopted and self._processes.unknown):
                run.round_at = now + ROUND_SECONDS_MIN
                self._after(ROUND_SECONDS_MIN, lambda: None)
            else:
                self._settled(run)
            return
        if not due:
            return
        tree = self._processes.tree(roots)
        reached = signal_processes(tree, signal.SIGKILL)
        if not tree and run.ended:
            self._settled(run)
            return
        if not reached and run.ended and self._out_of_reach(pid for pid, _ in roots):
            run.why = f"{run.why}. {WHY_OUT_OF_REACH}" if run.why else WHY_OUT_OF_REACH
            self._settled(run)
            return
        run.round_at = now + run.round_seconds
        self._after(run.round_seconds, lambda: None)
        run.round_seconds = min(2 * run.round_seconds, ROUND_SECONDS_MAX)

    def _out_of_reach(self, pids: Iterable[int]) -> bool:
        """Whether one of `pids` is alive and belongs to a user whom this one may not signal."""
        for pid in pids:
            try:
                os.kill(pid, 0)
            except PermissionError:
                return True
            except OSError:
                continue
        return False

    def _settled(self, run: Run) -> None:
        del self._dying[run.id]
        if self._sessions.get(run.pid) is run:
            del self._sessions[run.pid]
        run.settled = True
        self._tell_exited(run)

    def _marker(self, run_id: str) -> str:
        return f"{self._journal.instance}/{run_id}"

    def _run_of(self, marker: str) -> Run | None:
        instance, _, run_id = marker.partition("/")
        return self._runs.get(run_id) if instance == self._journal.instance else None

    def _roots(self, run: Run) -> list[tuple[int, int]]:
        """Processes from which the whole tree of `run` can be reached: pids and starts."""
        roots = self._strays.of(run)
        if self._is_running(run):
            roots.append((run.pid, run.ticks))
        if run.adopted:
            # Its strays went to another reaper. They are known by the session or the marker.
            run.beheld = run.beheld and may_be(run.pid, run.ticks)
            roots += self._processes.belonging(self._marker(run.id), run.pid if run.beheld else None)
        return roots

    # Telling the agent

    def _tell(self, event: dict[str, Any]) -> None:
        if self._agent is not None:
            self._agent.send(event)

    def _tell_exited(self, run: Run) -> None:
        self._tell({"event": "exited", "run": run.id, "status": run.status, "why": run.why, "at": run.at})

    def _flush(self) -> None:
        if self._agent is not None:
            self._flush_one(self._agent)
        for connection in list(self._strangers):
            self._flush_one(connection)

    def _flush_one(self, connection: Connection) -> None:
        try:
            done = connection.flush()
        except EOFError:
            self._close(connection)
            return
        if (done and connection.closing) or connection.overfull:
            self._close(connection)
            return
        events = selectors.EVENT_WRITE if connection.closing else selectors.EVENT_READ
        if not done:
            events |= selectors.EVENT_WRITE
        key = self._selector.get_key(connection.sock)
        if key.events != events:
            self._selector.modify(connection.sock, events, key.data)
