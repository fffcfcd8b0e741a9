"""`tepui batch`: a file of commands on the cluster, as many at once as there is room for."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tepui.cli.errors import RefusedError
from tepui.cli.options import master_option
from tepui.cli.output import number, plural, resources
from tepui.cli.variables import read_variables

if TYPE_CHECKING:
    from tepui.cli.client import Client
    from tepui.frameworks.batch import Batch, Journal, Outcome
    from tepui.scheduler import Offer

FORMS = ("lines", "jsonl", "toml")
FILE_BYTES_MAX = 256 * 1024 * 1024
FAILURES_SHOWN_MAX = 100
"""So many failures are told one by one."""
CODE_FAILED = 1
CODE_INTERRUPTED = 130
QUIET_SECONDS_MAX = 3.0
"""Without an offer for so long, somebody should be told."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--cpus", type=click.FloatRange(min=0), default=1.0, show_default=True, help="For each command.")
@click.option(
    "--mem", type=click.FloatRange(min=0), default=128.0, show_default=True, help="Megabytes for each command."
)
@click.option("--disk", type=click.FloatRange(min=0), default=0.0, help="Megabytes of disk for each command.")
@click.option("--gpus", type=click.FloatRange(min=0), default=0.0, help="For each command.")
@click.option(
    "--retries", type=click.IntRange(0, 1000), default=0, show_default=True, help="Tries after the first that failed."
)
@click.option(
    "--time-limit",
    "time_limit",
    type=click.FloatRange(min=0.001),
    metavar="SECONDS",
    help="A command that runs longer is killed and has failed.",
)
@click.option(
    "-e",
    "--env",
    "environment",
    metavar="NAME=VALUE",
    multiple=True,
    callback=read_variables,
    help="A variable of every command's environment; may be given several times.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMS), help="The file's form.  [default: told by its name, else lines]"
)
@click.option("--name", metavar="TEXT", help="Name of the framework.  [default: the file's]")
@click.option("--role", metavar="ROLE", default="*", show_default=True, help="The role that is charged.")
@click.option("--user", metavar="USER", help="Whom the commands run as.  [default: you]")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Where progress is kept.  [default: FILE.state]",
)
@click.option("--fresh", is_flag=True, help="Run everything, also what has succeeded before.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The summary's form."
)
@master_option
def batch(
    client: Client,
    file: Path,
    cpus: float,
    mem: float,
    disk: float,
    gpus: float,
    retries: int,
    time_limit: float | None,
    environment: dict[str, str],
    form: str | None,
    name: str | None,
    role: str,
    user: str | None,
    state: Path | None,
    fresh: bool,
    output: str,
) -> None:
    """Run the commands in FILE on the cluster, as many at once as there is room for.

    \b
    FILE has one command for the shell a line. In a file FILE.jsonl each line is an object:
        {"name": "link", "command": "make link", "after": ["a", "b"], "cpus": 2, "mem": 512}
    and in FILE.toml each is a table [[command]]. Fields: name, command, cpus, mem, disk, gpus, retries, timeout,
    after (names of commands that must have succeeded), env. Options say what holds for commands that do not.

    Progress is kept in FILE.state: when the batch is interrupted or killed, the same command goes on where it stopped.
    The exit code is 0 only when all commands have succeeded.
    """
    from tepui.frameworks.batch import BatchFileError, Defaults, Journal, JournalError, form_of, read_commands

    defaults = Defaults(cpus, mem, disk, gpus, retries, time_limit, environment)
    try:
        graph = read_commands(_text(file), form or form_of(file.name), str(file), defaults)
    except BatchFileError as error:
        raise click.UsageError(str(error)) from None
    client.get("/version")  # asks who leads, and says what to do where nobody is
    journal: Journal | None = None
    try:
        journal = Journal(state or file.with_name(file.name + ".state"))
        work = journal.load(graph)
        if fresh:
            work = journal.restart(work)
        code = _run(client.masters, work, journal, file, name or file.stem, role, user, output)
    except JournalError as error:
        raise RefusedError(str(error)) from None
    finally:
        if journal is not None:
            journal.close()
    raise SystemExit(code)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise click.UsageError(f"{file} is larger than {FILE_BYTES_MAX // 2**20} MB.")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8 text: byte {error.start} is wrong.") from None


def _run(
    master: str, work: Batch, journal: Journal, file: Path, name: str, role: str, user: str | None, output: str
) -> int:
    from tepui.frameworks.batch import Runner, State
    from tepui.session.errors import SessionError
    from tepui.transport.loop import run

    progress = Progress(work)
    before = work.counts[State.SUCCEEDED]
    if before:
        click.echo(f"tepui: {before} of {plural(len(work.status), 'command')} succeeded before; going on.", err=True)
    runner = Runner(
        master, work, journal, name=name, role=role, user=user, look=progress.look, unfit=progress.tell_unfit
    )

    async def main() -> Outcome:
        import asyncio

        def interrupt() -> None:
            runner.interrupt()
            progress.tell_interrupted(work)

        for signal_number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signal_number, interrupt)
        return await runner.run()

    try:
        outcome = run(main())
    except SessionError as error:
        raise RefusedError(f"{error}.") from None
    finally:
        progress.end()
    if output == "json":
        click.echo(json.dumps(summary(work, journal, file, outcome), indent=2))
    else:
        click.echo(sentence(work, outcome))
    if outcome.is_interrupted and not work.is_finished:
        click.echo(f"tepui: Interrupted. `tepui batch {file}` goes on where this stopped.", err=True)
        return CODE_INTERRUPTED
    return 0 if work.counts[State.SUCCEEDED] == len(work.status) else CODE_FAILED


def sentence(work: Batch, outcome: Outcome) -> str:
    """What became of the batch."""
    from tepui.frameworks.batch import State

    counts = work.counts
    others = [f"{counts[state]} {state.value}" for state in State if state is not State.SUCCEEDED and counts[state]]
    more = f", {', '.join(others)}" if others else ""
    lost = f"; {plural(work.lost_runs, 'run')} lost" if work.lost_runs else ""
    total = plural(len(work.status), "command")
    return f"{counts[State.SUCCEEDED]} of {total} succeeded{more}, {outcome.seconds:.1f} s{lost}."


def summary(work: Batch, journal: Journal, file: Path, outcome: Outcome) -> dict[str, Any]:
    """The same for programs."""
    from tepui.frameworks.batch import State

    results = []
    for command, status in zip(work.graph.commands, work.status, strict=True):
        results.append(
            {
                "name": command.name,
                "state": status.state.value,
                "runs": status.runs,
                "task_id": status.last_task or None,
                "agent_id": status.last_agent or None,
                "message": status.why,
            }
        )
    return {
        "file": str(file),
        "state_file": str(journal.path),
        "framework_id": outcome.framework_id,
        "commands": len(results),
        **{state.value: work.counts[state] for state in State},
        "lost_runs": work.lost_runs,
        "interrupted": outcome.is_interrupted,
        "seconds": round(outcome.seconds, 3),
        "results": results,
    }


class Progress:
    """What goes on, on standard error: failures as they happen, and on a terminal a line that moves."""

    def __init__(self, work: Batch) -> None:
        self._begun_at = time.monotonic()
        self._before = sum(1 for status in work.status if status.state.value == "succeeded")
        self._is_terminal = sys.stderr.isatty()
        self._shown = 0
        self._told_unfit = False
        self._told_interrupted = False
        self._has_line = False

    def look(self, work: Batch) -> None:
        """Tell what is new."""
        for index in work.take_news():
            status = work.status[index]
            if status.state.value == "failed":
                self._tell_failure(work.graph.commands[index].name, status.why, status.last_task)
        if not work.runs and work.wants_offers and time.monotonic() - self._begun_at > QUIET_SECONDS_MAX:
            self._say_once("No offers have come yet; `tepui status` and `tepui offer list` show who has what.")
        if self._is_terminal:
            self._line(work)

    def tell_unfit(self, work: Batch, offers: list[Offer]) -> None:
        """Nothing that is ready fits what is offered."""
        needs = work.waiting_needs()
        if needs is None:
            return
        best = max(offers, key=lambda offer: (offer.cpus, offer.mem))
        found = resources({"cpus": best.cpus, "mem": best.mem, "disk": best.disk, "gpus": best.gpus})
        wanted = resources({"cpus": needs.cpus, "mem": needs.mem, "disk": needs.disk, "gpus": needs.gpus})
        self._say_once(f"Commands wait for an offer of {wanted}; the best one now has {found}.")

    def tell_interrupted(self, work: Batch) -> None:
        """Why it does not end at once."""
        if work.runs and not self._told_interrupted:
            self._told_interrupted = True
            self._say("Ending what runs; Ctrl-C again does not wait for it.")

    def end(self) -> None:
        """Leave the line."""
        if self._has_line:
            click.echo("", err=True)
            self._has_line = False

    def _tell_failure(self, name: str, why: str, task: str) -> None:
        self._shown += 1
        if self._shown <= FAILURES_SHOWN_MAX:
            self._say(f"'{name}' failed: {why}; `tepui task logs {task}` shows what it wrote.")
        elif self._shown == FAILURES_SHOWN_MAX + 1:
            self._say("More commands failed; the summary counts them, with -o json it names them.")

    def _say_once(self, text: str) -> None:
        if not self._told_unfit:
            self._told_unfit = True
            self._say(text)

    def _say(self, text: str) -> None:
        if self._has_line:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._has_line = False
        click.echo(f"tepui: {text}", err=True)

    def _line(self, work: Batch) -> None:
        counts = {state.value: count for state, count in work.counts.items() if count}
        done = counts.pop("succeeded", 0)
        rate = (done - self._before) / max(0.001, time.monotonic() - self._begun_at)
        rest = ", ".join(f"{count} {name}" for name, count in counts.items())
        text = f"{done} of {len(work.status)} succeeded, {number(round(rate, 1))}/s; {rest}".rstrip("; ")
        text = text[: shutil.get_terminal_size().columns - 1]
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        self._has_line = True
