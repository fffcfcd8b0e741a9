"""Running things: the supervisor and its client, sandboxes, and what runs use of the machine."""
