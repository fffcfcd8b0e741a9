"""What all tests share: one ZooKeeper for those that need it, and no property that fails because a machine is slow."""

from hypothesis import HealthCheck, settings

from tests.zookeeper import zookeeper

__all__ = ["zookeeper"]

settings.register_profile("tepui", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tepui")
