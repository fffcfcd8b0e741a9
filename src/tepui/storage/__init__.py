"""Where things are kept: the journal of an agent, the registry of a master."""
