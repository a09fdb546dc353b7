"""SCHEDULE: what of a plan may start now, and when to look again.

Due-ness is no business of this package: it is derived from the catalogue by `plan`, so nothing is
missed by being asleep. Here stands only how much may run side by side, how long a machine that
failed waits for its next try, and what wakes the loop. APScheduler keeps no jobs of ours: it was
measured to lose runs when its pool is full, to run a nightly job twice in the autumn night, and to
stay behind for a month after the clock was a month ahead. It ticks, and a heart-beat beside it that
counts monotonic time wakes the loop should it ever stop.
"""
