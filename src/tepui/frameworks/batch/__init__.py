"""Runs a file of commands as an elastic framework: resources, retries, time limits, dependencies, and resuming.

`reading` makes a `Graph` of a file's text, `machine` decides what runs and what becomes of it, both without any input
or output; `journal` keeps what happened beside the file, `running` puts them on a cluster.
"""

from tepui.frameworks.batch.graph import BatchFileError, Command, Graph, Needs
from tepui.frameworks.batch.journal import Journal, JournalError
from tepui.frameworks.batch.machine import Batch, State
from tepui.frameworks.batch.reading import FORMS, Defaults, form_of, read_commands
from tepui.frameworks.batch.running import Outcome, Runner

__all__ = [
    "FORMS",
    "Batch",
    "BatchFileError",
    "Command",
    "Defaults",
    "Graph",
    "Journal",
    "JournalError",
    "Needs",
    "Outcome",
    "Runner",
    "State",
    "form_of",
    "read_commands",
]
