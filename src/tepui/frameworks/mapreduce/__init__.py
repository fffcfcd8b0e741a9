"""MapReduce over any executables, in the manner of Hadoop Streaming.

`driver` is the framework's scheduler, `job` its decisions, `splits` the input; `map_task` and `reduce_task` are
programs that agents run. They import nothing but the standard library, so that they begin at once.
"""
