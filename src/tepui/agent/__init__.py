"""The agent core: executors, tasks and their updates; a state machine without input or output."""
