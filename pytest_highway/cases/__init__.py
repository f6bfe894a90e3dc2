"""Test cases: declared, checked, run in a simulated world, held against expectations."""
