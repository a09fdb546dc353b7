"""The world: the only importers of pypsrp and watchfiles. Foreign exceptions end at this border."""
