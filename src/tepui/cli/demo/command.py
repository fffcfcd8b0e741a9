"""The command: prepares, starts the cluster, runs the demonstration, checks and tells, and leaves nothing."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from tepui.cli.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tepui.cli.demo.cluster import DemoCluster
    from tepui.cli.demo.plan import Plan
    from tepui.cli.demo.running import Ran
    from tepui.cli.demo.texts import Texts

MEGABYTES_DEFAULT = 8.0
MEGABYTES_MAX = 1000.0
OUTPUT_DEFAULT = "demo-output"
WORDS_FILE, PICTURE_FILE, SUMMARY_FILE = "words.txt", "shares.png", "summary.json"
CODE_INTERRUPTED = 130
_HANG_UP = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
"""Under nohup this signal does not ask for the end."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *_HANG_UP)


@click.command()
@click.option(
    "--input",
    "place",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Count the texts in this folder.  [default: licences and documents of this machine]",
)
@click.option(
    "--megabytes",
    type=click.FloatRange(min=0.001, max=MEGABYTES_MAX),
    metavar="N",
    default=MEGABYTES_DEFAULT,
    show_default=True,
    help="Count so much text at most.",
)
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUTPUT_DEFAULT,
    show_default=True,
    help=f"Gets {WORDS_FILE}, {PICTURE_FILE} and {SUMMARY_FILE}; those of an earlier demonstration are replaced.",
)
@click.option("--keep", is_flag=True, help="Leave the cluster up at the end, and say how to reach and how to end it.")
def demo(place: Path | None, megabytes: float, output: Path, *, keep: bool) -> None:
    """Two frameworks share a cluster on this machine: a word count, and a batch of commands.

    A master and three agents are started as processes of their own. The batch has the cluster for itself for some
    seconds; then the word count comes, and the two share it. At the end stand the words, checked against a plain
    count, and how well the cluster was shared. Then everything is ended, unless --keep is given.
    """
    started_at = time.monotonic()
    output = output.expanduser().absolute()
    _heed_signals()
    folder = _temporary_folder()
    cluster: DemoCluster | None = None
    try:
        texts = _find_texts(place, megabytes, folder)
        _prepare_output(output)
        from tepui.cli.demo.cluster import DemoCluster

        cluster = DemoCluster(folder)
        plan = _plan(texts, folder)
        cluster.wait_ready()
        _welcome(cluster, texts, place)
        ran = _run(cluster, plan)
        _tell(ran, texts, cluster, output, started_at, keep=keep)
    except KeyboardInterrupt:
        click.echo("tepui: Interrupted; ending the cluster.", err=True)
        raise SystemExit(CODE_INTERRUPTED) from None
    except OSError as error:
        raise RefusedError(f"{error.filename or 'The demonstration'}: {error.strerror or error}.") from None
    finally:
        _ignore_signals()
        if cluster is not None:
            cluster.end()
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="tepui-demo-"))
    except OSError as error:
        raise RefusedError(f"There is no room for temporary files: {error}. Name a folder with TMPDIR.") from None


def _heed_signals() -> None:
    """From now on, a signal that asks for the end is a KeyboardInterrupt; once."""

    def interrupt(_: int, __: FrameType | None) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, interrupt)


def _ignore_signals() -> None:
    """What is being ended already need not be told again."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _find_texts(place: Path | None, megabytes: float, folder: Path) -> Texts:
    from tepui.cli.demo.texts import TextsError, find_texts

    unpacked = folder / "texts"
    unpacked.mkdir()
    whole = None if place is None else place.expanduser().absolute()
    try:
        return find_texts(whole, round(megabytes * 1_000_000), unpacked)
    except TextsError as error:
        raise RefusedError(str(error)) from None


def _prepare_output(output: Path) -> None:
    """Make the folder, without what an earlier demonstration has left there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in (WORDS_FILE, PICTURE_FILE, SUMMARY_FILE):
            (output / name).touch()
            (output / name).unlink()
    except OSError as error:
        raise RefusedError(
            f"The folder {output} cannot be written: {(error.strerror or str(error)).lower()}. "
            "Name another with --output=FOLDER."
        ) from None


def _plan(texts: Texts, folder: Path) -> Plan:
    from tepui.cli.demo.plan import make_plan, write_manifest

    manifest = folder / "manifest.jsonl"
    write_manifest(texts.texts, manifest)
    return make_plan(texts.texts, manifest)


def _welcome(cluster: DemoCluster, texts: Texts, place: Path | None) -> None:
    from tepui.cli.demo.plan import AGENTS, CPUS_PER_AGENT
    from tepui.cli.demo.report import megabytes
    from tepui.cli.demo.texts import left_out

    servers = ", ".join(f"{name} {pid}" for name, pid in cluster.pids.items() if name != "keeper")
    click.echo(
        f"A master at {cluster.address} and {len(AGENTS)} agents of {CPUS_PER_AGENT} cpus each (processes {servers})."
    )
    where = "this machine's licences and documents" if place is None else str(place)
    part = "" if texts.is_whole else ", as much as --megabytes allows"
    others = f"; left out: {left_out(texts)}" if texts.left_out else ""
    click.echo(f"{len(texts.texts):,} files of {where}, {megabytes(texts.length)}{part}{others}.")
    sys.stdout.flush()


def _run(cluster: DemoCluster, plan: Plan) -> Ran:
    """Run both frameworks with a display. A signal cancels them: nothing is raised in the midst of the event loop."""
    import asyncio

    from tepui.cli.demo.display import display
    from tepui.cli.demo.running import Demonstration
    from tepui.transport.loop import run

    is_interrupted = False
    cancel: Callable[[], object] = bool  # nothing, until there is something

    def interrupt(_: int, __: FrameType | None) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        cancel()

    async def main() -> Ran:
        nonlocal cancel
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel = partial(loop.call_soon_threadsafe, task.cancel)
        try:
            if is_interrupted:
                raise asyncio.CancelledError
            with display(cluster.address) as show:
                return await Demonstration(cluster, plan, show).run()
        finally:
            cancel = bool

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    try:
        ran = run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        _heed_signals()
    if is_interrupted:
        raise KeyboardInterrupt
    return ran


def _tell(ran: Ran, texts: Texts, cluster: DemoCluster, output: Path, started_at: float, *, keep: bool) -> None:
    """Check the counts, write the files and say the figures. Raises RefusedError when a count is wrong."""
    from tepui.cli.demo import report
    from tepui.cli.demo.picture import NoPictureError, draw

    counts = report.checked_counts(ran.counts, texts)
    if not keep:
        cluster.begin_end()
    written = [WORDS_FILE, SUMMARY_FILE]
    trouble = ""
    try:
        draw(ran.shares, output / PICTURE_FILE)
        written.insert(1, PICTURE_FILE)
    except NoPictureError as error:
        trouble = str(error)
    with (output / WORDS_FILE).open("w", encoding="utf-8") as file:
        file.writelines(f"{word}\t{number}\n" for word, number in report.top(counts))
    if keep:
        cluster.stay()
    cluster.end()
    found = report.summary(ran, texts, counts, cluster.pids, time.monotonic() - started_at)
    (output / SUMMARY_FILE).write_text(json.dumps(found, indent=2) + "\n")
    click.echo()
    for line in report.lines(found):
        click.echo(line)
    click.echo(f"\n{output}: {', '.join(written)}")
    if trouble:
        click.echo(trouble)
    if keep:
        click.echo(
            f"The cluster stays. Look at it:  {_program()} --master={cluster.address} status\n"
            f"                       End it:  kill {cluster.pid}"
        )


def _program() -> str:
    """How to call this program again from here."""
    program = Path(sys.executable).with_name("tepui")
    if not program.exists() or shutil.which("tepui") == str(program):
        return "tepui"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)
