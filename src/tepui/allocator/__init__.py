"""Who gets which resources offered, and why: the protocol of allocators and one policy a module."""

from tepui.allocator.allocator import (
    Allocator,
    AllocatorOptions,
    Grant,
    Holding,
    Reasons,
    Request,
    RoleStanding,
    Waiting,
)
from tepui.allocator.constraints import ConstraintError, RegexLimits, compile_constraints
from tepui.allocator.drf import DrfAllocator
from tepui.allocator.engine import Engine
from tepui.allocator.policy import Policy

__all__ = [
    "Allocator",
    "AllocatorOptions",
    "ConstraintError",
    "DrfAllocator",
    "Engine",
    "Grant",
    "Holding",
    "Policy",
    "Reasons",
    "RegexLimits",
    "Request",
    "RoleStanding",
    "Waiting",
    "compile_constraints",
]
