"""The commands of `python -m servescope NAME`: a file a command.

Each has `HELP` (a line), `add_arguments(parser)`, and `run(arguments)`, which answers the exit
status and may raise ServescopeError.
"""
