"""Flags: Mesos's names from the command line and the environment, and one sentence for each wrong value."""

from pathlib import Path

import pytest

from tepui.server.flags import AGENT_FLAGS, MASTER_FLAGS, FlagError, Flags
from tepui.server.master_address import master_addresses


def test_the_command_line_wins_over_tepui_over_mesos_over_the_default() -> None:
    environment = {"MESOS_PORT": "1", "TEPUI_PORT": "2", "MESOS_CLUSTER": "three"}
    assert Flags(MASTER_FLAGS, {"port": "3"}, environment).number("port") == 3
    assert Flags(MASTER_FLAGS, {}, environment).number("port") == 2
    assert Flags(MASTER_FLAGS, {}, {"MESOS_PORT": "1"}).number("port") == 1
    assert Flags(MASTER_FLAGS, {}, environment).text("cluster") == "three"
    assert Flags(MASTER_FLAGS, {}, {}).number("port") == 5050


def test_values_are_read_by_their_kind_and_told_as_text() -> None:
    flags = Flags(
        MASTER_FLAGS,
        {"agent_ping_timeout": "90secs", "roles": "a,b", "weights": "a=2,b=0.5", "root_submissions": "false"},
        {},
    )
    assert flags.seconds("agent_ping_timeout") == 90.0
    assert flags.value("roles") == frozenset({"a", "b"})
    assert flags.value("weights") == {"a": 2.0, "b": 0.5}
    assert flags.switch("root_submissions") is False
    texts = flags.texts()
    assert texts["agent_ping_timeout"] == "90secs"
    assert texts["allocator"] == "hierarchical"
    assert list(texts) == sorted(texts)
    assert "cluster" not in texts


@pytest.mark.parametrize(
    ("table", "given", "sentence"),
    [
        (MASTER_FLAGS, {"port": "x"}, "--port expects a whole number, not 'x'."),
        (MASTER_FLAGS, {"port": "70000"}, "--port expects a number from 0 to 65535, not 70000."),
        (MASTER_FLAGS, {"ip": "localhost"}, "--ip expects an IP address such as 127.0.0.1, not 'localhost'."),
        (MASTER_FLAGS, {"quiet": "maybe"}, "--quiet expects true or false, not 'maybe'."),
        (MASTER_FLAGS, {"offer_timeout": "0secs"}, "--offer_timeout expects a duration longer than 0, not '0secs'."),
        (MASTER_FLAGS, {"acls": "{}"}, "--acls asks for authorization, which this version does not have."),
        (
            MASTER_FLAGS,
            {"authenticate_agents": "true"},
            "--authenticate_agents asks for authentication, which this version does not have.",
        ),
        (
            MASTER_FLAGS,
            {"zk": "zk://h:2181"},
            "--zk expects an address such as zk://10.0.0.1:2181,10.0.0.2:2181/mesos, with a path that is not '/'.",
        ),
        (
            MASTER_FLAGS,
            {"zk_session_timeout": "1000weeks"},
            "--zk_session_timeout expects a duration from 100ms to 1hrs, not '1000weeks'.",
        ),
        (
            MASTER_FLAGS,
            {"agent_removal_rate_limit": "0/10mins"},
            "--agent_removal_rate_limit expects a number of agents and a duration, such as 1/10mins, not '0/10mins'.",
        ),
        (
            MASTER_FLAGS,
            {"recovery_agent_removal_limit": "0.5"},
            "--recovery_agent_removal_limit expects a percentage from 0% to 100%, not '0.5'.",
        ),
        (AGENT_FLAGS, {"containerizers": "docker"}, "--containerizers expects mesos, not 'docker'."),
        (
            AGENT_FLAGS,
            {"executor_environment_variables": '{"A":1}'},
            "--executor_environment_variables expects a JSON object whose values are strings.",
        ),
    ],
)
def test_a_wrong_value_gets_a_sentence(table: list, given: dict[str, str], sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(FlagError) as error:
        Flags(table, given, {})
    assert str(error.value) == sentence


def test_a_file_of_bytes_that_are_no_text_gets_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"\x7fELF\xd0\xff")
    why = f"names the file {file}, which cannot be read: it is not text in UTF-8."
    given = [(MASTER_FLAGS, "zk"), (MASTER_FLAGS, "domain"), (AGENT_FLAGS, "resources")]
    for table, name in given:
        with pytest.raises(FlagError) as error:
            Flags(table, {name: f"file://{file}"}, {})
        assert str(error.value) == f"--{name} {why}"
    with pytest.raises(FlagError) as error:
        master_addresses(f"file://{file}")
    assert str(error.value) == f"--master {why}"


def test_rates_and_percentages_are_read_as_the_core_wants_them() -> None:
    flags = Flags(MASTER_FLAGS, {"agent_removal_rate_limit": "4/10mins", "recovery_agent_removal_limit": "12.5%"}, {})
    assert flags.value("agent_removal_rate_limit") == 150.0
    assert flags.value("recovery_agent_removal_limit") == 0.125


def test_a_wrong_value_from_the_environment_names_the_variable() -> None:
    with pytest.raises(FlagError, match=r"^--port \(from MESOS_PORT\) expects a whole number, not 'x'\.$"):
        Flags(MASTER_FLAGS, {}, {"MESOS_PORT": "x"})


@pytest.mark.parametrize("text", ["cpus", "cpus:x", "cpus:-1", "ports:[2-1]", "cpus:1;cpus(*:2"])
def test_wrong_resources_are_refused(text: str) -> None:
    with pytest.raises(FlagError, match=r"^--resources .*\.$"):
        Flags(AGENT_FLAGS, {"resources": text}, {})


def test_every_flag_of_both_servers_has_a_default_that_can_be_read() -> None:
    for table in (MASTER_FLAGS, AGENT_FLAGS):
        Flags(table, {}, {})
        assert len({flag.name for flag in table}) == len(table)


def test_the_flags_page_tells_every_flag_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "flags.md").read_text()
    for flag in (*MASTER_FLAGS, *AGENT_FLAGS):
        if not flag.hidden:
            default = "" if flag.default is None else f"`{flag.default}`".replace("|", "&#124;")
            assert f"| `--{flag.name}` | {default} |" in page
