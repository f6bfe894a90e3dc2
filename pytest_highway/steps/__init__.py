"""The steps dialect (LANGUAGE 7): a list of commands, translated into the model of tasks."""
