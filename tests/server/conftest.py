"""ZooKeeper for the tests of this folder."""

from tests.zookeeper import zookeeper

__all__ = ["zookeeper"]
