"""The nouns: frozen values that every floor above shares.

No clock, file, socket or logger here. Identity is never a name: a data source is known by the
pair (Hyper-V id, role), because a replica VM carries the id of its primary; a disk is known by an
id of ours, matched by virtual disk id and then by controller slot, because copies of a template
share their virtual disk id.
"""
