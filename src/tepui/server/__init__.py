"""The main loops of master and agent: sockets and clocks outside, the pure cores inside."""
