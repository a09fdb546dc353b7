"""Declared, reviewed and reconciled backups of Hyper-V virtual machines.

policy says what is wanted, observe says what is, plan says what is due, schedule says what may
start, execute does it, record remembers. `loop` is that sentence in Python; each package's
docstring is its chapter.
"""
