"""Who gets which resources offered, and why: the protocol of allocators and one policy a module."""

from tepui.allocator.allocator import Allocator, AllocatorOptions, Grant, Reasons, RoleStanding
from tepui.allocator.drf import DrfAllocator

__all__ = ["Allocator", "AllocatorOptions", "DrfAllocator", "Grant", "Reasons", "RoleStanding"]
