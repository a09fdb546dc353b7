"""Print how many tests each suite ran; fail on a suite that ran none and on a skip not allowed."""

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

SUITES = ("unit", "property", "contract", "scenario", "golden", "house")


def main(report: str, allowed_file: str) -> int:
    """Read pytest's report; 0 when all is as it should be."""
    allowed = [
        re.compile(line)
        for line in Path(allowed_file).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    counts: dict[str, Counter[str]] = {suite: Counter() for suite in SUITES}
    wrong: list[str] = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (pytest's own file)
        name = f"{case.get('classname')}::{case.get('name')}"
        suite = (case.get("classname") or "").split(".")[1]
        kinds = {child.tag for child in case}
        verdict = next((k for k in ("failure", "error", "skipped") if k in kinds), "passed")
        counts.setdefault(suite, Counter())[verdict] += 1
        skip = case.find("skipped")
        reason = (skip.get("message") or "") if skip is not None else ""
        if skip is not None and not any(a.search(f"{name}: {reason}") for a in allowed):
            wrong.append(f"{name}: {reason}")
    for suite, count in counts.items():
        failed = count["failure"] + count["error"]
        print(f"{suite}: {count['passed']} passed, {failed} failed, {count['skipped']} skipped")
    wrong += [f"the suite {suite} ran no test" for suite in SUITES if not counts[suite]["passed"]]
    for each in wrong:
        print(f"NOT ALLOWED  {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
