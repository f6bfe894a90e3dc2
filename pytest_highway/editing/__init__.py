"""Changes of single values in YAML text that leave every other character as it was."""
