"""Which allocator the flags ask for, and policies that other packages bring."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from random import Random

import pytest

from tepui.allocator import Engine, Policy
from tepui.model.resources import Resources
from tepui.server.allocators import allocator_options, make_allocator
from tepui.server.flags import MASTER_FLAGS, FlagError, Flags
from tepui.wire.text import parse_resources

EXAMPLE = Path(__file__).parents[2] / "examples" / "policy"


def flags(**given: str) -> Flags:
    return Flags(MASTER_FLAGS, given, {})


def made(**given: str) -> Engine:
    allocator = make_allocator(flags(**given), Random(1))
    assert isinstance(allocator, Engine)
    return allocator


def holders(allocator: Engine, texts: list[str]) -> list[str]:
    for number, text in enumerate(texts):
        allocator.add_agent(f"a{number}", Resources.of(parse_resources(text)), {})
    return [grant.framework_id for grant in allocator.allocate(0.0)]


@pytest.fixture
def example_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pip install examples/policy` would leave behind."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "memory_first-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["tepui.allocators"].items()]
    lines += ["broken = no_such_module:Policy", "wrong = pathlib:Path"]
    (info / "entry_points.txt").write_text("[tepui.allocators]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(sys.modules, "memory_first", raising=False)


@pytest.mark.usefixtures("example_package")
def test_a_policy_of_another_package_decides() -> None:
    agents = ["cpus:8;mem:64", "cpus:1;mem:1024", "cpus:1;mem:64", "cpus:1;mem:640"]
    orders = []
    for name in ("memory-first", "drf"):
        allocator = made(allocator=name)
        for framework_id in ("f", "g"):
            allocator.add_framework(framework_id, ["test"])
        orders.append(holders(allocator, agents))
    # g's share of the memory is smaller than f's of the cpus, but memory alone counts for the example.
    assert orders == [["f", "g", "f", "f"], ["f", "g", "g", "g"]]


@pytest.mark.usefixtures("example_package")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", r"^--allocator expects one of HierarchicalDRF, broken, drf, .*, not 'none'\.$"),
        ("broken", r"^--allocator 'broken' \(no_such_module:Policy\) cannot be loaded: No module named"),
        ("wrong", r"^--allocator 'wrong' \(pathlib:Path\) is no subclass of tepui.allocator.policy.Policy\.$"),
    ],
)
def test_a_policy_that_is_none_is_refused(name: str, why: str) -> None:
    with pytest.raises(FlagError, match=why):
        flags(allocator=name)


def test_the_example_is_short() -> None:
    source = (EXAMPLE / "memory_first.py").read_text()
    assert len(source.splitlines()) <= 40


def policies(allocator: Engine) -> tuple[type[Policy], type[Policy]]:
    role, framework = allocator._tree._policies
    return type(role), type(framework)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ("Drf", "Drf")),
        ({"allocator": "HierarchicalDRF", "role_sorter": "random"}, ("Lottery", "Drf")),
        ({"allocator": "hierarchical", "framework_sorter": "random"}, ("Drf", "Lottery")),
        ({"allocator": "random"}, ("Shuffle", "Shuffle")),
        ({"allocator": "priority"}, ("Priority", "Priority")),
    ],
)
def test_policies_go_by_name(given: dict[str, str], names: tuple[str, str]) -> None:
    assert tuple(policy.__name__ for policy in policies(made(**given))) == names


def test_the_flags_reach_the_allocator() -> None:
    options = allocator_options(
        flags(
            role_priorities="eng=10,ads=-1",
            fair_sharing_excluded_resource_names="gpus,fpga",
            gathering_share="0.5",
            gathering_patience="3secs",
            gathering_timeout="1mins",
            domain='{"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}',
        )
    )
    assert options.priorities == {"eng": 10, "ads": -1}
    assert options.fair_sharing_excluded_resource_names == {"gpus", "fpga"}
    assert options.region == "r"
    assert (options.gathering_share_max, options.gathering_patience_seconds, options.gathering_seconds) == (0.5, 3, 60)


@pytest.mark.parametrize(
    ("name", "text"), [("role_priorities", "eng"), ("gathering_share", "2"), ("whitelist", "hosts.txt")]
)
def test_what_cannot_be_meant_is_refused(name: str, text: str) -> None:
    with pytest.raises(FlagError, match=rf"^--{name} expects .*, not '{text}'\.$"):
        flags(**{name: text})
