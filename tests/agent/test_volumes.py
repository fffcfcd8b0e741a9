"""Where volumes lie and are seen, and what an agent that is started with less than is reserved on it says."""

from __future__ import annotations

from random import Random

import pytest

from tepui.agent.core import AgentCore
from tepui.agent.journal import ResourcesCheckpointed
from tepui.agent.volumes import VolumeDirectory, directories, links
from tepui.model.resources import ResourceError, Resources
from tepui.model.v1.mesos import Resource
from tests.agent.stage import config, resources

_Source = Resource.DiskInfo.Source


def volume(text: str, source: _Source | None = None) -> Resources:
    (message,) = resources(text)
    assert message.disk is not None
    message.disk.source = source
    return Resources.of([message])


def path_disk(root: str | None) -> _Source:
    return _Source(type=_Source.Type.PATH, path=_Source.Path(root=root))


def mount_disk(root: str | None) -> _Source:
    return _Source(type=_Source.Type.MOUNT, mount=_Source.Mount(root=root))


@pytest.mark.parametrize(
    ("source", "root", "parts"),
    [
        (None, "/work", ("volumes", "roles", "eng dev", "v1")),
        (path_disk("/mnt/fast"), "/mnt/fast", ("volumes", "roles", "eng dev", "v1")),
        (path_disk("fast"), "/work/fast", ("volumes", "roles", "eng dev", "v1")),
        (mount_disk("/mnt/whole"), "/mnt/whole", ()),
    ],
)
def test_each_kind_of_disk_has_its_place_for_volumes(source: _Source | None, root: str, parts: tuple[str, ...]) -> None:
    found = directories(volume("disk:64@eng@eng/dev#v1:data", source), "/work")
    assert list(found) == [VolumeDirectory(root, parts)]


@pytest.mark.parametrize("source", [path_disk(None), mount_disk(""), _Source(type=_Source.Type.BLOCK)])
def test_a_disk_without_a_place_has_none_for_volumes(source: _Source) -> None:
    with pytest.raises(ValueError, match="neither the root disk nor a PATH or MOUNT with a root"):
        directories(volume("disk:64@eng#v1:data", source), "/work")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b"])
def test_a_volume_cannot_lie_outside_of_its_folder(name: str) -> None:
    (message,) = resources("disk:64@eng#v1:data")
    assert message.disk is not None
    assert message.disk.persistence is not None
    message.disk.persistence.id = name
    with pytest.raises(ValueError, match="cannot be the name of a directory"):
        directories(Resources.of([message]), "/work")


@pytest.mark.parametrize("path", ["/data", "..", "a/../../b", "a//b", ".", "a/./b"])
def test_a_volume_is_seen_inside_the_sandbox_or_not_at_all(path: str) -> None:
    with pytest.raises(ValueError, match="must be a path inside the sandbox"):
        links(volume(f"disk:64@eng#v1:{path}"), "/work", lambda _: False)


def test_two_volumes_are_not_seen_at_one_place() -> None:
    both = Resources.of(resources("disk:64@eng#v1:data+disk:32@eng#v2:data/"))
    with pytest.raises(ValueError, match="Two persistent volumes have the container_path 'data'"):
        links(both, "/work", lambda _: False)


def test_an_agent_with_less_than_is_reserved_on_it_does_not_start() -> None:
    reserved = [ResourcesCheckpointed(resources("cpus:3@eng+disk:64@eng#v1:data"))]
    assert AgentCore(config(), Random(1), durable=reserved).records.total.scalar("cpus") == 4000
    too_much = [ResourcesCheckpointed(resources("cpus:5@eng"))]
    with pytest.raises(ResourceError, match=r"cpus:5 is not in what is left of the agent's own: cpus:4"):
        AgentCore(config(), Random(1), durable=too_much)
