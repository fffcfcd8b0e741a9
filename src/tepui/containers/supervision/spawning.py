"""Making the processes of runs."""

from __future__ import annotations

import errno
import os
import pwd
import stat
import subprocess
import time

from .processes import RUN_MARKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USER_CACHE_SECONDS = 60.0
USER_CACHE_MAX = 256
SECONDS_MAX = 1e9


class RefusedError(Exception):
    """A command cannot be carried out; the text is the sentence for the agent."""


class User:
    __slots__ = ("cached_at", "gid", "groups", "uid")

    def __init__(self, uid: int, gid: int, groups: list[int], cached_at: float) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.cached_at = cached_at


def texts(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and "\0" not in text for text in value):
        raise RefusedError(f"{what} must be a list of texts without NUL")
    return value


def path_text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise RefusedError(f"{what} must be a path")
    return value


def checked_seconds(value: Any, what: str) -> float:
    if isinstance(value, (int, float)) and 0 <= value < SECONDS_MAX:
        return float(value)
    raise RefusedError(f"{what} must be a number of seconds")


class Spawner:
    """Makes processes. Whatever goes wrong before the program runs becomes one sentence (`RefusedError`)."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._users: dict[str, User] = {}

    def spawn(self, marker: str, command: dict[str, Any]) -> int:
        """The pid of a new run's main process, whose program is running already."""
        argv = texts(command.get("argv"), "argv")
        if not argv:
            raise RefusedError("argv must not be empty")
        executable = command.get("executable")
        program = argv[0] if executable is None else path_text(executable, "executable")
        environment = self._environment(marker, command.get("environment"))
        directory = path_text(command.get("directory"), "directory")
        user = self._user(command.get("user"))
        try:
            if not stat.S_ISDIR(os.stat(directory).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        except OSError as error:
            raise RefusedError(f"Cannot enter the directory '{directory}': {error.strerror}") from None
        outputs: list[int] = []
        try:
            for name in ("stdout", "stderr"):
                path = command.get(name)
                if path is None:
                    outputs.append(self._null)
                else:
                    outputs.append(self._open(os.path.join(directory, path_text(path, name)), user))
            try:
                return self._popen(argv, program, environment, directory, outputs, user)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise RefusedError(f"Cannot run '{program}': {error.strerror}") from None
            # As execvp(3) does it: a script without an interpreter line is the shell's.
            argv = ["/bin/sh", program, *argv[1:]]
            try:
                return self._popen(argv, "/bin/sh", environment, directory, outputs, user)
            except OSError as error:
                raise RefusedError(f"Cannot run '{program}': {error.strerror}") from None
        finally:
            for descriptor in outputs:
                if descriptor != self._null:
                    os.close(descriptor)

    def _popen(
        self,
        argv: list[str],
        program: str,
        environment: dict[str, str],
        directory: str,
        outputs: list[int],
        user: User | None,
    ) -> int:
        process = subprocess.Popen(
            argv,
            executable=program,
            stdin=self._null,
            stdout=outputs[0],
            stderr=outputs[1],
            env=environment,
            cwd=directory,
            start_new_session=True,
            # All are closed by the kernel when the program begins, the lock too: until then no other supervisor can
            # come and look in vain for a process that has its marker only then.
            close_fds=False,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else user.groups,
        )
        # The reaper waits for all children alike; without this the object would want to wait for this one itself.
        process.returncode = 0
        return process.pid

    def _environment(self, marker: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise RefusedError("environment must be an object of texts")
        for name, text in value.items():
            if not isinstance(text, str) or "\0" in text or not name or "\0" in name or "=" in name:
                raise RefusedError(f"The environment variable {name!r} cannot be set")
        # First, so that it is found at the head of /proc/PID/environ, and not to be set to anything else.
        return {RUN_MARKER: marker, **{name: text for name, text in value.items() if name != RUN_MARKER}}

    def _user(self, name: Any) -> User | None:
        """None where the run simply gets the supervisor's own identity."""
        if name is None:
            return None
        if not isinstance(name, str):
            raise RefusedError("user must be a name")
        now = time.monotonic()
        user = self._users.get(name)
        if user is None or now - user.cached_at > USER_CACHE_SECONDS:
            try:
                entry = pwd.getpwnam(name)
                groups = os.getgrouplist(name, entry.pw_gid)
            except (KeyError, ValueError, OSError):
                raise RefusedError(f"There is no user '{name}' on this machine") from None
            user = User(entry.pw_uid, entry.pw_gid, groups, now)
            if len(self._users) >= USER_CACHE_MAX:
                self._users.clear()
            self._users[name] = user
        if user.uid == os.geteuid():
            return None
        if os.geteuid() == 0:
            return user
        raise RefusedError(f"Only root can start a run as another user ('{name}')")

    def _open(self, path: str, user: User | None) -> int:
        """Open an output file for appending, with the rights of `user`.

        The sandbox belongs to the user, who may have put a link there to a file that is not his: hence his rights, and
        hence no waiting for the other end of a pipe.
        """
        own_groups = os.getgroups() if user is not None else []
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            if user is not None:
                os.setgroups(user.groups)
                os.setegid(user.gid)
                os.seteuid(user.uid)
            descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise RefusedError(f"Cannot open '{path}' for the output: {error.strerror}") from None
        finally:
            if user is not None:
                os.seteuid(0)
                os.setegid(os.getgid())
                os.setgroups(own_groups)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise RefusedError(f"Cannot open '{path}' for the output: it is not a regular file")
        os.set_blocking(descriptor, True)
        return descriptor
