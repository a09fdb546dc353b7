"""The world: the only importers of pypsrp, smbprotocol and watchfiles.

Foreign exceptions end at this border.
"""
