"""The sub-commands of `gorp`, one small file each: its docstring is the help text, then `add_arguments` and `run`."""
