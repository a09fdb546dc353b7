"""The command line: parse, call one thing, print.

Each command lives in a module of its own and is imported when it is called, so that `--help` is
quick. Results go to standard output, logs and errors to standard error. Exit codes are for scripts
and stand in `exit_codes`.
"""
