"""Tapes: the outcomes of real tool calls, kept in a file and given again instead of calling."""
