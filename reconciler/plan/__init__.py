"""PLAN: what is due, as a pure function of what is wanted, what is observed and the time.

A plan is a value: actions, each with its reason and the facts it rests on, and findings, which are
what will not be done and why. The law: once every action of a plan is done, a plan made for the
same moment has no actions. Nothing here knows a clock, a file or a logger.
"""
