"""OBSERVE: what is, as one value.

Hosts are asked in parallel, each in a thread and session of its own, until a deadline. A host that
gives no usable answer is a fact too: it is silent, and what runs there is unknown, not gone.
"""
