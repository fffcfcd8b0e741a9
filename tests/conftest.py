"""What all tests share: one ZooKeeper for those that need it."""

from tests.zookeeper import zookeeper

__all__ = ["zookeeper"]
