"""What all tests share: one ZooKeeper for those that need it, and no property that fails because a machine is slow."""

import signal

from hypothesis import HealthCheck, settings

from tests.zookeeper import zookeeper

__all__ = ["zookeeper"]

# A shell without job control starts what runs in its background with SIGINT ignored, and programs inherit that: tests
# that interrupt one would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("tepui", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tepui")
