"""Executors that run trials in local processes or on a cluster."""
