"""Drivers of the engine's calls in real runs: threads, an event loop, processes, any executor."""
