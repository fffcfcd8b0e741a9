"""Black-box tests: a whole cluster of processes, spoken to over sockets, compared with Apache Mesos."""
