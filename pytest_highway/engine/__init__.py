"""The run: operators as generators, and one event machine that answers their effects."""
