"""From models to a compiled plan, and all that can be known about it without running."""
