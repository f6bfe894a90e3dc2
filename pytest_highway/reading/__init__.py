"""From text to a document with positions, and from there to validated models."""
