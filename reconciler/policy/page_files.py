"""What guests page to, and what incrementals do with it."""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import AfterValidator

from reconciler.model import page_files
from reconciler.policy.complaints import Location, Remark, Severity, quoted
from reconciler.policy.kind import PolicyModel, repeats
from reconciler.policy.values import Several, Text, wrong

_SUFFIX: Final = re.compile(r"\.a?vhd[x?*]*\Z", re.IGNORECASE)


def _pattern(value: str) -> str:
    if "/" in value or "\\" in value:
        hint = "the name of the file counts, not its folder: '*_pagefile.vhd*'"
        raise wrong(f"expected a pattern of file names, got {quoted(value)}", hint)
    if not any(c.isalnum() for c in _SUFFIX.sub("", value)):
        hint = "only disks that hold page files and nothing else: '*_pagefile.vhd*'"
        raise wrong(f"{quoted(value)} would leave out every disk", hint)
    return value


DiskPattern = Annotated[Text, AfterValidator(_pattern)]


class PageFiles(PolicyModel):
    """Page files in incrementals: the first copy, and every consistency check, is whole."""

    leave_out: bool = True
    """Leave out pagefile.sys and swapfile.sys of Windows guests, and the disks below. Never
    hiberfil.sys. Blocks that hold something else beside are copied."""

    disks: Several[DiskPattern] = ()
    """File names of virtual disks that hold page files only, such as '*_pagefile.vhd*': of a
    chain the first file's. Their changes are never copied, whatever they are."""

    @property
    def wish(self) -> page_files.PageFiles:
        """As the planner wants it."""
        return page_files.PageFiles(self.leave_out, tuple(self.disks))

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """What is there twice, or has no effect."""
        yield from repeats((*location, "disks"), self.disks)
        if self.disks and not self.leave_out:
            text = "has no effect with 'leave_out: false': everything is copied"
            at = (*location, "disks")
            yield Remark(at, text, "remove one of the two keys", severity=Severity.WARNING)
