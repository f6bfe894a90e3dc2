"""The memory of runs: records and event logs, kept by one of three backends."""
