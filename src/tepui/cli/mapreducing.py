"""What `tepui mapreduce` does while it runs: plans the input, follows the job, says what came of it."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import click

from tepui.cli.errors import RefusedError
from tepui.frameworks.mapreduce.driver import Driver, JobDescription, JobFailedError, Progress, Result
from tepui.frameworks.mapreduce.inputs import find_input
from tepui.frameworks.mapreduce.splits import InputError, Range, make_splits, read_manifest
from tepui.frameworks.mapreduce.workspace import OutputError, Workspace
from tepui.session.errors import SessionError
from tepui.transport.loop import run

PROGRESS_SECONDS = 1.0
TROUBLES_SHOWN_MAX = 20
CODE_INTERRUPTED = 130


class _Follower:
    """Says how far the job is, and what went wrong, on standard error: in place where somebody looks, else seldom."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._shown_at = 0.0
        self._shown = ""
        self._troubles = 0

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        text = describe(progress)
        if text == self._shown or now - self._shown_at < (0.1 if self._in_place else PROGRESS_SECONDS):
            return
        self._shown, self._shown_at = text, now
        click.echo(f"\r{text}\x1b[K" if self._in_place else text, err=True, nl=not self._in_place)

    def trouble(self, text: str) -> None:
        self._troubles += 1
        self.end()
        if self._troubles <= TROUBLES_SHOWN_MAX:
            click.echo(f"tepui: {text}", err=True)
        elif self._troubles == TROUBLES_SHOWN_MAX + 1:
            click.echo("tepui: What goes wrong from now on is not shown.", err=True)

    def end(self) -> None:
        """The next thing stands on its own line."""
        if self._in_place and self._shown:
            click.echo(err=True)
            self._shown = ""


def describe(progress: Progress) -> str:
    text = f"map {progress.maps_done}/{progress.maps}"
    if progress.reduces:
        text += f", reduce {progress.reduces_done}/{progress.reduces}"
    text += f", {progress.running} running"
    if progress.placed_maps:
        text += f", {100 * progress.local_maps / progress.placed_maps:.0f} % of maps at their input"
    return text


def run_job(
    masters: str,
    description: JobDescription,
    inputs: list[str],
    manifest: Path | None,
    output: Path,
    split_bytes: int,
) -> int:
    """Run the job to its end; returns the exit code."""
    follower = _Follower()
    workspace: Workspace | None = None
    try:
        ranges: list[Range] = [part for name in inputs for part in find_input(name)]
        if manifest is not None:
            ranges += read_manifest(manifest)
        splits = make_splits(ranges, split_bytes)
        workspace = Workspace(output)
        driver = Driver(
            masters,
            description,
            splits,
            workspace,
            on_progress=follower.progress,
            on_trouble=follower.trouble,
        )
        interrupted, result = run(_main(driver))
        follower.end()
        if interrupted or result is None:
            click.echo("tepui: The job was interrupted; there is no output.", err=True)
            return CODE_INTERRUPTED
    except (InputError, OutputError, JobFailedError) as error:
        follower.end()
        raise RefusedError(str(error)) from None
    except SessionError as error:
        follower.end()
        raise RefusedError(f"{error}.") from None
    except OSError as error:
        follower.end()
        raise RefusedError(f"The job's folder cannot be used: {(error.strerror or str(error)).lower()}.") from None
    finally:
        if workspace is not None:
            workspace.remove()
    _tell(result, workspace.output)
    return 0


async def _main(driver: Driver) -> tuple[bool, Result | None]:
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        driver.interrupt()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        return False, await driver.run()
    except JobFailedError:
        if interrupted:
            return True, None
        raise


def _tell(result: Result, output: Path) -> None:
    progress = result.progress
    click.echo(f"{output}: {progress.maps} map and {progress.reduces} reduce tasks in {result.seconds:.1f} s")
    if progress.placed_maps:
        click.echo(f"maps at their input: {progress.local_maps} of {progress.placed_maps}")
    if result.failed_attempts or result.lost_attempts:
        click.echo(f"attempts that failed: {result.failed_attempts}; that were lost: {result.lost_attempts}")
    for name, amount in result.counters.items():
        group, _, counter = name.partition(",")
        click.echo(f"{group}: {counter} = {amount}")
