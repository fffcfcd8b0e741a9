"""`tepui mapreduce`: mapper, combiner and reducer are any executables; flags have Hadoop Streaming's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tepui.cli.errors import RefusedError
from tepui.cli.options import master_option
from tepui.cli.variables import read_variables

if TYPE_CHECKING:
    from tepui.cli.client import Client

REDUCES_MAX = 10_000
PARTITIONERS = {"HashPartitioner": False, "KeyFieldBasedPartitioner": True}
COMPARATOR = "KeyFieldBasedComparator"


def _number(low: float, high: float, scale: float = 1) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(f"expects a number from {low:g} to {high:g}, not '{text}'")
        return value * scale

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    read = _number(low, high)
    return lambda text: int(read(str(int(text))))


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"expects true or false, not '{text}'")
    return text == "true"


def _fields(text: str) -> str:
    from tepui.frameworks.mapreduce.keys import parse_fields

    parse_fields(text)
    return text


def _separator(text: str) -> str:
    if len(text) != 1 or text == "\n":
        raise ValueError(f"expects one character, not '{text}'")
    return text


def _comparator(text: str) -> str:
    if text.rpartition(".")[2] != COMPARATOR:
        raise ValueError(f"expects {COMPARATOR}, not '{text}'")
    return text


@dataclass(frozen=True)
class _Property:
    """A property of Hadoop that means something here: our name for it, and how its text is read."""

    name: str
    read: Callable[[str], Any]


PROPERTIES = {
    "mapreduce.job.name": _Property("name", str),
    "mapreduce.job.reduces": _Property("reduces", _whole(0, REDUCES_MAX)),
    "mapreduce.task.timeout": _Property("timeout_seconds", _number(100, 1e10, 1e-3)),
    "mapreduce.map.maxattempts": _Property("attempts_max", _whole(1, 100)),
    "mapreduce.reduce.maxattempts": _Property("attempts_max", _whole(1, 100)),
    "mapreduce.map.speculative": _Property("speculate", _flag),
    "mapreduce.reduce.speculative": _Property("speculate", _flag),
    "mapreduce.task.io.sort.mb": _Property("sort_megabytes", _whole(1, 1 << 20)),
    "mapreduce.input.fileinputformat.split.maxsize": _Property("split_bytes", _whole(1, 1 << 50)),
    "stream.num.map.output.key.fields": _Property("key_fields", _whole(1, 1000)),
    "stream.map.output.field.separator": _Property("output_separator", _separator),
    "mapreduce.partition.keypartitioner.options": _Property("partition_by", _fields),
    "mapreduce.job.output.key.comparator.class": _Property("comparator", _comparator),
    "mapreduce.partition.keycomparator.options": _Property("order_by", _fields),
    "mapreduce.map.output.key.field.separator": _Property("separator", _separator),
}


def _read_properties(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"expects PROPERTY=VALUE, not '{text}'.")
        known = PROPERTIES.get(key)
        if known is None:
            close = get_close_matches(key, PROPERTIES, 1)
            meant = f"Did you mean '{close[0]}'?" if close else f"Known are {', '.join(PROPERTIES)}."
            raise click.BadParameter(f"'{key}' means nothing here. {meant}")
        try:
            found[known.name] = known.read(value)
        except ValueError as error:
            why = str(error) if "expects" in str(error) else f"expects a number, not '{value}'"
            raise click.BadParameter(f"{key} {why}.") from None
    return found


def _by_fields(_: click.Context, __: click.Parameter, given: str | None) -> bool:
    short = (given or "HashPartitioner").rpartition(".")[2]
    if short not in PARTITIONERS:
        raise click.BadParameter(f"expects {' or '.join(PARTITIONERS)}, not '{given}'.")
    return PARTITIONERS[short]


def _paths(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[Path]:
    """Hadoop takes several paths divided by commas, too."""
    return [Path(part) for text in given for part in text.split(",") if part]


def _names(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[str]:
    return [part for text in given for part in text.split(",") if part]


@click.command()
@click.option(
    "-input",
    "--input",
    "inputs",
    metavar="PATH",
    multiple=True,
    callback=_names,
    help="A file or a folder, here or at webhdfs://HOST:PORT/PATH.",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Input as lines of JSON: {"path": ..., "offset": ..., "length": ..., "hosts": [...]}.',
)
@click.option(
    "-output", "--output", type=click.Path(path_type=Path), metavar="DIR", required=True, help="Must not exist."
)
@click.option(
    "-mapper", "--mapper", metavar="COMMAND", help="Reads lines, writes key TAB value.  [default: as they are]"
)
@click.option("-combiner", "--combiner", metavar="COMMAND", help="Makes sorted lines fewer before they travel.")
@click.option(
    "-reducer", "--reducer", metavar="COMMAND", help="Reads sorted lines; NONE for none.  [default: as they are]"
)
@click.option("-file", "--file", "files", metavar="PATH", multiple=True, callback=_paths, help="For each sandbox.")
@click.option(
    "-numReduceTasks", "--num-reduce-tasks", "reduces", type=click.IntRange(0, REDUCES_MAX), help="[default: 1]"
)
@click.option("-cmdenv", "--cmdenv", "environment", metavar="NAME=VALUE", multiple=True, callback=read_variables)
@click.option("-partitioner", "--partitioner", "by_fields", metavar="CLASS", callback=_by_fields)
@click.option("-D", "properties", metavar="PROPERTY=VALUE", multiple=True, callback=_read_properties)
@click.option("--name", metavar="TEXT", help="Name of the framework.  [default: mapreduce]")
@click.option("--role", metavar="ROLE", default="*", show_default=True, help="The role that is charged.")
@click.option("--cpus", type=click.FloatRange(min=0.001), default=1.0, show_default=True, help="For each task.")
@click.option("--mem", type=click.FloatRange(min=1), default=256.0, show_default=True, help="Megabytes for each task.")
@click.option(
    "--locality-wait",
    "wait",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="So long a map task waits for a host that has its input.",
)
@master_option
def mapreduce(
    client: Client,
    inputs: list[str],
    manifest: Path | None,
    output: Path,
    mapper: str | None,
    combiner: str | None,
    reducer: str | None,
    files: list[Path],
    reduces: int | None,
    environment: dict[str, str],
    by_fields: bool,
    properties: dict[str, Any],
    name: str | None,
    role: str,
    cpus: float,
    mem: float,
    wait: float,
) -> None:
    """Run a MapReduce job whose mapper and reducer are any executables.

    \b
        tepui mapreduce -input texts -output counts -file words.py \\
            -mapper 'python3 words.py' -combiner 'python3 sum.py' -reducer 'python3 sum.py'

    The output folder is there, whole, when the job has succeeded, and is not there otherwise.
    """
    from tepui.cli.mapreducing import run_job
    from tepui.frameworks.mapreduce.driver import JobDescription
    from tepui.frameworks.mapreduce.splits import SPLIT_BYTES_DEFAULT

    if not inputs and manifest is None:
        raise click.UsageError("Say what to read with -input PATH or --manifest FILE.")
    if by_fields and "partition_by" not in properties:
        properties["partition_by"] = "-k1,1"
    elif not by_fields and "partition_by" in properties:
        raise click.UsageError("Key fields decide nothing without -partitioner KeyFieldBasedPartitioner.")
    comparator = properties.pop("comparator", None)
    if comparator is None and "order_by" in properties:
        name_needed = f"-D mapreduce.job.output.key.comparator.class={COMPARATOR}"
        raise click.UsageError(f"Key fields do not decide the order without {name_needed}.")
    if reducer == "NONE":
        reducer, reduces = None, 0
    if reduces is not None:
        properties["reduces"] = reduces
    if not properties.get("reduces", 1) and (reducer is not None or combiner is not None):
        raise click.UsageError("Without reduce tasks there is nothing for a reducer or combiner to do.")
    for path in files:
        if not path.is_file():
            raise RefusedError(f"The file {path} does not exist or is no file.")
    split_bytes = properties.pop("split_bytes", SPLIT_BYTES_DEFAULT)
    if "sort_megabytes" in properties:
        properties["sort_bytes"] = properties.pop("sort_megabytes") << 20
    if name is not None:
        properties["name"] = name
    description = JobDescription(
        mapper=mapper,
        combiner=combiner,
        reducer=reducer,
        environment=environment,
        files=files,
        cpus=cpus,
        mem=mem,
        role=role,
        locality_wait_seconds=wait,
        **{"name": "mapreduce", **properties},
    )
    client.get("/version")  # asks who leads, and says what to do where nobody is
    raise SystemExit(run_job(client.masters, description, inputs, manifest, output, split_bytes))
