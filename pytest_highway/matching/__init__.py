"""Holding a value or a text against what a golden or a matcher expects."""
