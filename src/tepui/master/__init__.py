"""The master core: frameworks, agents, offers, tasks; a state machine without input or output."""
