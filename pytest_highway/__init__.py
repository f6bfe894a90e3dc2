"""Declarative test gates for pytest: YAML workflows held against goldens."""
