"""`tepui demo`: two frameworks share a cluster on this machine, to be looked at, measured and checked.

`texts` finds what to read, `plan` sizes the work, `cluster` keeps the servers, `running` runs the two frameworks,
`shares` follows what they hold; `display`, `picture` and `report` show it. `words` is what map and reduce tasks run.
"""
