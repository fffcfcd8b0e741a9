"""What people type: `tepui`."""

from tepui.cli.main import main

__all__ = ["main"]
