"""Figures: whole clusters under load, ours and Apache Mesos's side by side (``python -m benchmarks``)."""
