"""One module a command: USAGE, a docstring whose first line is its summary, and run(words) -> status."""
