"""Whole jobs on real clusters."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tepui.frameworks.mapreduce import job
from tepui.frameworks.mapreduce.driver import Driver, JobDescription, JobFailedError, Progress, Result
from tepui.frameworks.mapreduce.splits import InputError, Range, find_files, make_splits
from tepui.frameworks.mapreduce.workspace import OutputError, Workspace
from tests.cli.commands import Commands, environment
from tests.conformance.cluster import Cluster, processes_of, wait_until
from tests.frameworks.mapreduce.fake_webhdfs import FakeHdfs, running_hdfs
from tests.scheduler.real import masters_of, running_cluster

pytestmark = pytest.mark.xdist_group("mapreduce")

NOBODY = 65534
WORDS = """
import sys
for line in sys.stdin.buffer:
    for word in line.split():
        sys.stdout.buffer.write(word + b"\\t1\\n")
sys.stderr.write("reporter:counter:test,mappers,1\\nreporter:status:all read\\nhello\\n")
"""
SUM = """
import sys
from itertools import groupby
pairs = (line.rstrip(b"\\n").rpartition(b"\\t") for line in sys.stdin.buffer)
for word, group in groupby(pairs, lambda pair: pair[0]):
    sys.stdout.buffer.write(b"%s\\t%d\\n" % (word, sum(int(pair[2]) for pair in group)))
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three agents of different names."""
    with running_cluster(tmp_path_factory.mktemp("mapreduce"), agents=0) as cluster:
        for number in (1, 2, 3):
            cluster.add_agent(flags=[f"--hostname=host{number}"])
        yield cluster


def word_count(directory: Path) -> dict[str, Any]:
    """What a word count needs in a description."""
    for name, text in (("words.py", WORDS), ("sum.py", SUM)):
        (directory / name).write_text(text)
    return {
        "mapper": f"{sys.executable} words.py",
        "combiner": f"{sys.executable} sum.py",
        "reducer": f"{sys.executable} sum.py",
        "files": [directory / "words.py", directory / "sum.py"],
    }


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, Any]:
    return word_count(tmp_path)


def run_job(
    cluster: Cluster,
    output: Path,
    ranges: Sequence[Range],
    split_bytes: int = 1 << 20,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **description: Any,
) -> Result:
    workspace = Workspace(output)
    described = JobDescription(**{"name": "count", "cpus": 0.5, "mem": 64, **description})
    splits = make_splits(ranges, split_bytes)
    driver = Driver(masters_of(cluster), described, splits, workspace, on_progress=on_progress)
    try:
        return asyncio.run(asyncio.wait_for(driver.run(), 90))
    finally:
        workspace.remove()


def read_output(output: Path) -> dict[bytes, bytes]:
    lines = [line for part in sorted(output.glob("part-*")) for line in part.read_bytes().splitlines()]
    pairs = [line.split(b"\t") for line in lines]
    assert len({key for key, _ in pairs}) == len(pairs), "each key is in one part"
    return {pair[0]: pair[1] for pair in pairs}


def odd_texts(directory: Path, random: Random) -> Counter[bytes]:
    """Random texts in several encodings and in none, with long lines and empty ones; returns their words' counts."""
    directory.mkdir()
    words = ["naïve", "Straße", "語", "a", "b\x00c", "\ufeffx", "Ω", "it's", '"q"', "$HOME", "\\n", "%s"]
    counts: Counter[bytes] = Counter()
    for number, encoding in enumerate(["utf-8", "latin-1", "utf-16", "cp1252", "koi8-r", "shift-jis"]):
        text = "".join(random.choice(words) + random.choice(" \n\t\r\n\x0b  ") for _ in range(400))
        data = text.encode(encoding, "replace") + random.randbytes(500) + random.choice([b"", b"\n", b" end"])
        (directory / f"{number}.txt").write_bytes(data)
        counts.update(word for line in data.split(b"\n") for word in line.split())
    (directory / "empty").touch()
    return counts


ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "latin-1",
    "utf-16",
    "utf-32-be",
    "cp1252",
    "koi8-r",
    "shift-jis",
    "gb18030",
    "cp037",
]
TEXTS = st.one_of(
    st.binary(max_size=3000),
    st.builds(
        lambda words, encoding: "".join(words).encode(encoding, "replace"),
        st.lists(st.one_of(st.text(max_size=8), st.sampled_from([" ", "\n", "\t", "\r\n", "\x0b", "\u2028", "\0"]))),
        st.sampled_from(ENCODINGS),
    ),
)


@given(
    st.lists(TEXTS, min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(200, 3000),
    st.booleans(),
    st.sampled_from([5000, 1 << 20]),
)
@settings(
    max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)  # an example is a whole job
def test_words_are_counted_as_plain_python_counts_them(
    cluster: Cluster, texts: list[bytes], reduces: int, split_bytes: int, combine: bool, sort_bytes: int
) -> None:
    """Whatever the bytes are, however they are cut, with a combiner or without, in memory or not."""
    counts = Counter(word for text in texts for line in text.split(b"\n") for word in line.split())
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "in").mkdir()
        for number, text in enumerate(texts):
            (directory / "in" / f"{number}").write_bytes(text)
        ranges = list(find_files(directory / "in"))
        description = {**word_count(directory), "reduces": reduces, "sort_bytes": sort_bytes}
        if not combine:
            description["combiner"] = None
        result = run_job(cluster, directory / "out", ranges, split_bytes, **description)
        assert read_output(directory / "out") == {word: b"%d" % count for word, count in counts.items()}
        parts = sorted(path.name for path in (directory / "out").iterdir())
        assert parts == ["_SUCCESS", *(f"part-{number:05d}" for number in range(reduces))]
        assert result.counters.get("test,mappers", 0) == result.progress.maps
        assert result.counters.get("tepui,map output lines", 0) == counts.total()
        assert not list(directory.glob(".out*")), "nothing is left beside the output"


def test_maps_run_where_their_input_is(cluster: Cluster, tmp_path: Path) -> None:
    ranges = []
    for number in range(30):
        path = tmp_path / f"{number}"
        path.write_text(f"{number}\n")
        ranges.append(Range(str(path), 0, path.stat().st_size, (f"host{number % 3 + 1}", f"nowhere{number}")))
    mapper = 'echo "$(cat) $MESOS_SLAVE_ID"'
    result = run_job(cluster, tmp_path / "out", ranges, 3, reduces=0, mapper=mapper, locality_wait_seconds=60)
    assert (result.progress.local_maps, result.progress.placed_maps) == (30, 30)
    agents = {entry["id"]: entry["hostname"] for entry in cluster.agent_entries()}
    lines = [path.read_text().split() for path in (tmp_path / "out").glob("part-*")]
    assert sorted((int(number), agents[agent]) for number, agent in lines) == [
        (number, f"host{number % 3 + 1}") for number in range(30)
    ]


def test_little_memory_and_no_programs_only_sort(cluster: Cluster, tmp_path: Path) -> None:
    random = Random(5)
    lines = [random.randbytes(random.randint(0, 9)).hex() for _ in range(20_000)]
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines))
    run_job(cluster, tmp_path / "out", list(find_files(tmp_path / "in")), 50_000, sort_bytes=100_000, reduces=1)
    assert (tmp_path / "out" / "part-00000").read_text() == "".join(f"{line}\t\n" for line in sorted(lines))


@pytest.mark.parametrize(
    ("mapper", "timeout", "why"),
    [
        ("cat >/dev/null; echo 'no such luck' >&2; exit 3", 60, "The mapper exited with status 3: no such luck."),
        ("kill -9 $$", 60, "The mapper was ended by signal 9."),
        ("sleep 1000", 0.3, "The mapper neither read, wrote nor reported for 0.3 s."),
        ("head -c 80000000 /dev/zero", 60, "a line is longer than 64 MB; are newlines missing?"),
    ],
)
def test_a_mapper_that_goes_wrong_fails_the_job(
    cluster: Cluster, tmp_path: Path, mapper: str, timeout: float, why: str
) -> None:
    (tmp_path / "in").write_text("a\n")
    with pytest.raises(JobFailedError) as caught:
        run_job(
            cluster,
            tmp_path / "out",
            list(find_files(tmp_path / "in")),
            mapper=mapper,
            timeout_seconds=timeout,
            attempts_max=2,
            environment={"MARK": str(tmp_path)},
        )
    assert str(caught.value) == f"map-00000 has failed 2 times; at last: {why}"
    assert not (tmp_path / "out").exists()
    wait_until(lambda: not processes_of(tmp_path), "its programs end")


def test_a_mapper_that_fails_once_is_tried_again(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\nb\n")
    mapper = f"test -e {tmp_path}/tried || {{ touch {tmp_path}/tried; exit 1; }}; cat"
    result = run_job(cluster, tmp_path / "out", list(find_files(tmp_path / "in")), mapper=mapper)
    assert result.failed_attempts == 1
    assert read_output(tmp_path / "out") == {b"a": b"", b"b": b""}


def test_a_mapper_that_hangs_is_ended_and_tried_again_one_that_reports_is_not(cluster: Cluster, tmp_path: Path) -> None:
    """The first attempt at `b` hangs, with a child; `a` takes twice the time that it may be silent, but speaks."""
    ranges = []
    for name in "ab":
        (tmp_path / name).write_text(f"{name}\n")
        ranges.append(Range(str(tmp_path / name), 0, 2))
    (tmp_path / "mapper.sh").write_text(f"""
        read name
        if [ $name = a ]; then
            for turn in 1 2 3 4 5 6 7 8; do sleep 0.25; echo reporter:status:$turn >&2; done
        elif mkdir {tmp_path}/hung; then
            sleep 1000 & wait
        fi
        echo $name
    """)
    result = run_job(
        cluster,
        tmp_path / "out",
        ranges,
        2,
        mapper="sh mapper.sh",
        files=[tmp_path / "mapper.sh"],
        timeout_seconds=1,
        speculate=False,
        environment={"MARK": str(tmp_path)},
    )
    assert (result.failed_attempts, result.progress.maps) == (1, 2)
    assert read_output(tmp_path / "out") == {b"a": b"", b"b": b""}
    wait_until(lambda: not processes_of(tmp_path), "its programs end")


def test_a_straggler_runs_twice(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first attempt would never end: the second, on another agent, counts, and the first is killed."""
    monkeypatch.setattr(job, "STRAGGLER_SECONDS_MIN", 0.3)
    ranges = []
    for number in range(4):
        (tmp_path / f"{number}").write_text(f"{number}\n")
        ranges.append(Range(str(tmp_path / f"{number}"), 0, 2))
    (tmp_path / "mapper.sh").write_text(f"""
        read number
        echo $number $MESOS_SLAVE_ID >> {tmp_path}/attempts
        if [ $number = 2 ] && mkdir {tmp_path}/slow; then sleep 1000 & wait; fi
        echo $number
    """)
    result = run_job(
        cluster,
        tmp_path / "out",
        ranges,
        2,
        reduces=0,
        mapper="sh mapper.sh",
        files=[tmp_path / "mapper.sh"],
        environment={"MARK": str(tmp_path)},
    )
    lines = sorted(path.read_text() for path in (tmp_path / "out").glob("part-*"))
    assert lines == ["0\n", "1\n", "2\n", "3\n"]
    assert result.failed_attempts == 0
    places = [line.split() for line in (tmp_path / "attempts").read_text().splitlines()]
    twice = [agent for number, agent in places if number == "2"]
    assert len(places) == 5
    assert len(set(twice)) == 2
    wait_until(lambda: not processes_of(tmp_path), "the straggler is killed")


def test_what_a_mapper_says_is_bounded_and_its_newline_is_added(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n")
    mapper = "head -c 100000000 /dev/zero >&2; printf 'k\\tv'"
    run_job(cluster, tmp_path / "out", list(find_files(tmp_path / "in")), mapper=mapper, name="loud")
    assert (tmp_path / "out" / "part-00000").read_bytes() == b"k\tv\n"
    assert all(path.stat().st_size < 2 << 20 for path in cluster.directory.rglob("stderr"))


def test_an_agent_that_dies_in_the_shuffle(
    tmp_path: Path, programs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed when all maps are done and reduces run: its sandboxes cannot be read any more, and its maps run
    again elsewhere. What reduces ran there count as stragglers."""
    monkeypatch.setattr(job, "STRAGGLER_SECONDS_MIN", 1.0)
    counts = odd_texts(tmp_path / "in", Random(9))
    files = list(find_files(tmp_path / "in"))
    ranges = [Range(part.path, 0, part.length, (f"host{n % 2 + 1}",)) for n, part in enumerate(files)]
    programs["mapper"] = f"echo $mapreduce_task_attempt_id >> {tmp_path}/attempts; {programs['mapper']}"
    with running_cluster(tmp_path / "cluster", agents=0) as cluster:
        for number in (1, 2):
            cluster.add_agent(flags=[f"--hostname=host{number}"])

        def kill_first(progress: Progress) -> None:
            if progress.maps_done == progress.maps and progress.running and cluster.agents[0].server.is_running:
                cluster.agents[0].server.kill()

        result = run_job(cluster, tmp_path / "out", ranges, on_progress=kill_first, reduces=2, **programs)
    assert read_output(tmp_path / "out") == {word: b"%d" % count for word, count in counts.items()}
    assert result.lost_attempts >= 1
    attempts = (tmp_path / "attempts").read_text().split()
    assert len(attempts) == len(set(attempts)) > result.progress.maps, "maps ran again"
    assert result.counters["test,mappers"] == result.progress.maps, "and counted once"


def test_output_that_comes_meanwhile_is_not_touched(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n")
    with pytest.raises(OutputError, match="exists already"):
        run_job(
            cluster,
            tmp_path / "out",
            list(find_files(tmp_path / "in")),
            mapper=f"mkdir -p {tmp_path}/out; echo mine > {tmp_path}/out/file",
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["file"]


@pytest.mark.parametrize("count", [5000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_tiny_files_share_tasks(cluster: Cluster, tmp_path: Path, count: int) -> None:
    (tmp_path / "in").mkdir()
    for number in range(count):
        (tmp_path / "in" / f"{number}").write_text("a b")  # without a newline: lines of two files must not run together
    result = run_job(
        cluster,
        tmp_path / "out",
        list(find_files(tmp_path / "in")),
        mapper="tr ' ' '\\n'",
        reducer="uniq -c | tr -d '\\t'",
    )
    assert result.progress.maps == count // 1000
    assert (tmp_path / "out" / "part-00000").read_text().split() == [f"{count}", "a", f"{count}", "b"]


def test_input_that_may_not_be_read(tmp_path: Path) -> None:
    """Root may read everything, so it is nobody for a moment, who may not even look into `tmp_path`."""
    path = tmp_path / "in"
    path.write_text("a")
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(InputError, match="in cannot be read: permission denied"):
            list(find_files(path))
    finally:
        if is_root:
            os.seteuid(0)


def test_an_agent_without_the_package_is_told_of(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n")
    with pytest.raises(JobFailedError, match="status 1; it left no report: does its agent have the folder"):
        run_job(cluster, tmp_path / "out", list(find_files(tmp_path / "in")), python="/bin/false", attempts_max=1)


def test_a_job_whose_tasks_are_larger_than_any_offer_says_that_it_waits(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n")
    splits = make_splits([Range(str(tmp_path / "in"), 0, 2, ())], 1 << 20)
    workspace = Workspace(tmp_path / "out")
    said: list[str] = []

    def hear(text: str) -> None:
        said.append(text)
        driver.interrupt()

    driver = Driver(
        masters_of(cluster),
        JobDescription(name="large", cpus=64, mem=64),
        splits,
        workspace,
        on_trouble=hear,
    )
    with pytest.raises(JobFailedError):
        asyncio.run(asyncio.wait_for(driver.run(), 90))
    workspace.remove()
    assert len(said) == 1
    assert said[0].startswith("Tasks wait for an offer of cpus 64 and mem 64 MB; the best one now has cpus ")


def test_an_interrupted_command_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n")
    mapper = f"touch {tmp_path}/begun; sleep 1000"
    command = ["mapreduce", f"--master={masters_of(cluster)}", "-input", f"{tmp_path}/in", "-mapper", mapper]
    running = subprocess.Popen(
        [sys.executable, "-m", "tepui", *command, "-output", f"{tmp_path}/out"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        wait_until((tmp_path / "begun").exists, "the mapper begins")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode == 130
    assert said.splitlines()[-1] == "tepui: The job was interrupted; there is no output."
    wait_until(lambda: not processes_of(tmp_path), "its programs end")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "in"]


def test_the_command(cluster: Cluster, tmp_path: Path, programs: dict[str, Any]) -> None:
    counts = odd_texts(tmp_path / "in", Random(7))
    commands = Commands(cluster)
    files = [f"-file={path}" for path in programs["files"]]
    job = ["mapreduce", "-input", f"{tmp_path}/in", "-mapper", programs["mapper"], "-reducer", programs["reducer"]]
    done = commands.run(
        *job, *files, "-output", f"{tmp_path}/out", "-numReduceTasks", "2", "--cpus=0.5", "-cmdenv", "A=b"
    )
    assert done.returncode == 0, done
    assert f"{tmp_path}/out: 1 map and 2 reduce tasks in " in done.stdout
    assert "test: mappers = 1" in done.stdout
    assert read_output(tmp_path / "out") == {word: b"%d" % count for word, count in counts.items()}
    manifest = tmp_path / "manifest"
    manifest.write_text(json.dumps({"path": f"{tmp_path}/none", "length": 5}))
    (tmp_path / "short").write_text("one\n")
    beyond = tmp_path / "beyond"
    beyond.write_text(json.dumps({"path": f"{tmp_path}/short", "length": 5}))
    for arguments, code, sentence in (
        (["-input", f"{tmp_path}/in"], 1, f"The output {tmp_path}/out exists already; remove it or name another."),
        (["-input", f"{tmp_path}/none"], 1, f"The input {tmp_path}/none does not exist."),
        ([f"--manifest={manifest}", f"-output={tmp_path}/o2", "-Dmapreduce.map.maxattempts=1"], 1, "No such file"),
        ([f"--manifest={beyond}", f"-output={tmp_path}/o2", "-mapper=cat"], 1, "short ends before byte 5, up to"),
        (["-input=x", "-Dmapreduce.job.reducers=3"], 2, "Did you mean 'mapreduce.job.reduces'?"),
        (
            ["-input=x", "-Dmapreduce.partition.keycomparator.options=-k1n"],
            2,
            "without -D mapreduce.job.output.key.comparator.class=KeyFieldBasedComparator.",
        ),
        (["-input=x", "-Dmapreduce.partition.keypartitioner.options=1"], 2, "such as -k1,2 or -k2nr, not '1'."),
        (["-input=x", "-partitioner=Mine"], 2, "expects HashPartitioner or KeyFieldBasedPartitioner, not 'Mine'."),
        ([], 2, "Say what to read with -input PATH or --manifest FILE."),
    ):
        done = commands.run("mapreduce", "-output", f"{tmp_path}/out", *arguments)
        assert done.returncode == code, done
        assert sentence in done.stderr.splitlines()[-1], done


def test_key_fields_decide_partition_and_order(cluster: Cluster, tmp_path: Path) -> None:
    """A secondary sort with Hadoop's own flags: each station's readings reach one reducer, the warmest first."""
    random = Random(3)
    readings = [(random.choice("abcdefgh"), random.randint(1900, 2000), random.randint(-40, 40)) for _ in range(500)]
    (tmp_path / "in").write_text("".join(f"{station}.{year}.{degrees}.x\n" for station, year, degrees in readings))
    properties = {
        "mapreduce.input.fileinputformat.split.maxsize": "1500",
        "stream.map.output.field.separator": ".",
        "stream.num.map.output.key.fields": "3",
        "mapreduce.map.output.key.field.separator": ".",
        "mapreduce.partition.keypartitioner.options": "-k1,1",
        "mapreduce.job.output.key.comparator.class": "org.apache.hadoop.mapred.lib.KeyFieldBasedComparator",
        "mapreduce.partition.keycomparator.options": "-k1,1 -k3,3nr -k2,2n",
    }
    job = ["mapreduce", "-input", f"{tmp_path}/in", "-output", f"{tmp_path}/out", "-numReduceTasks", "3", "--cpus=0.5"]
    flags = ["-partitioner", "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"]
    flags += [word for name, value in properties.items() for word in ("-D", f"{name}={value}")]
    done = Commands(cluster).run(*job, *flags)
    assert done.returncode == 0, done
    parts = [path.read_text().splitlines() for path in sorted((tmp_path / "out").glob("part-*"))]
    found = [[line.removesuffix("\tx").split(".") for line in part] for part in parts]
    assert sorted(line for part in found for line in part) == sorted([s, str(y), str(d)] for s, y, d in readings)
    for part in found:
        assert part == sorted(part, key=lambda line: (line[0], -int(line[2]), int(line[1])))
    homes = [{line[0] for line in part} for part in found]
    assert sum(map(len, homes)) == len(set.union(*homes)), "a station is in one part"
    assert sum(map(bool, homes)) > 1


def test_input_in_hdfs_is_read_where_its_blocks_are(
    cluster: Cluster, tmp_path: Path, programs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks end in the middle of lines and words. Files that may be listed but not read fail the job."""
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    counts = odd_texts(tmp_path / "in", Random(11))
    files = {f"/texts/{path.name}": path.read_bytes() for path in (tmp_path / "in").iterdir()}
    commands = Commands(cluster)
    job = ["mapreduce", "--cpus=0.5", "--mem=64", "-mapper", programs["mapper"], "-reducer", programs["reducer"]]
    job += [f"-file={path}" for path in programs["files"]]
    job += ["-D", "mapreduce.input.fileinputformat.split.maxsize=1000", "--locality-wait=60"]
    with running_hdfs(FakeHdfs(files, users={"alice"})) as hdfs:
        done = commands.run(*job, "-input", f"{hdfs.url}/texts", "-output", f"{tmp_path}/out")
        assert done.returncode == 0, done
        assert read_output(tmp_path / "out") == {word: b"%d" % count for word, count in counts.items()}
        local, placed = re.search(r"maps at their input: (\d+) of (\d+)", done.stdout).groups()  # type: ignore[union-attr]
        assert local == placed
        assert int(placed) >= len(files) - 1
        manifest = tmp_path / "manifest"
        entry = {"path": f"webhdfs://bob@127.0.0.1:{hdfs.port}/texts/0.txt", "length": 10}
        manifest.write_text(json.dumps(entry))
        options = ["--manifest", f"{manifest}", "-output", f"{tmp_path}/none", "-Dmapreduce.map.maxattempts=1"]
        done = commands.run(*job, *options)
        assert done.returncode == 1
        assert (
            f"The input {entry['path']} cannot be read: 127.0.0.1:{hdfs.port} says AccessControlException"
            in done.stderr
        )
        assert not (tmp_path / "none").exists()
