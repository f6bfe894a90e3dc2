"""The expression language and its templates: text to tokens, to closures, over plain values."""
