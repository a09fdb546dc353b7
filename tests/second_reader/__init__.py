"""A second reader of the repository's format, written from FORMAT.md and from nothing else.

It imports nothing of the product: the standard library, zstandard and cryptography only. What it
cannot restore, FORMAT.md does not say well enough. `python -m tests.second_reader --help`.
"""
