"""The supervisor: one small process that is the parent of every run and outlives the agent.

A *run* is one container: a main process and everything that descends from it, called the tree. The rules:

- Each run is a session of its own. The supervisor is a child subreaper, so descendants that leave the session by
  `setsid` or a double fork come back to it as its own children ("strays") when their parents end.
- A run *ends* when its main process ends. What is left of its tree is then killed, and only when nothing is left is the
  run *settled* and its exit reported.
- What must survive a `kill -9` of the supervisor is in the journal before it is acted upon or reported: that a run is
  about to start, its process, that it is to be killed and when, and its exit status (which is on disk even before the
  kernel is allowed to forget it).
- A new supervisor on the same state directory takes over from the journal and /proc. It cannot learn the exit status of
  processes that are not its children: such an exit has the status null and says why.

This package stands alone: it imports the standard library only, and as little of it as possible, for each megabyte is
paid on every machine. Protocol and files on disk are described in docs/reference/supervisor.md.
"""
