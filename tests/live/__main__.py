"""Try one real Hyper-V host: says what it will do, runs the suites, and tells what was tried.

See GUIDE.md beside this file.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from reconciler.app import App, open_app
from reconciler.errors import ReconcilerError
from reconciler.model.names import HostName
from reconciler.settings import Settings

HERE = Path(__file__).parent
SUITES = (HERE.parent / "contract" / "test_hyperv_host.py", HERE)
NEEDED = ("RECONCILER_LIVE_POLICIES", "RECONCILER_LIVE_HOST", "RECONCILER_LIVE_MACHINE")
USAGE = 64


def main() -> int:
    """0 when every case passed; 64 when the environment names no host."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        print(f"set {', '.join(missing)}: see tests/live/GUIDE.md")
        return USAGE
    policies, host, machine = (os.environ[name] for name in NEEDED)
    print(f"takes and removes checkpoints and reference points of {machine} on {host},")
    print("and backs it up to a temporary folder; nothing else is touched", flush=True)
    with tempfile.TemporaryDirectory(prefix="reconciler-live-") as scratch:
        try:
            about = _about(Settings(policies=Path(policies), state=Path(scratch)), host)
        except ReconcilerError as error:
            print(f"{error.message}\n  {error.hint}")
            return 1
        report = Path(scratch) / "report.xml"
        words = ["-m", "live", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words, *map(str, SUITES)], check=False
        )
        print(f"tried against {about}: {_counted(report)}")
    return 1 if done.returncode else 0


def _about(settings: Settings, host: str) -> str:
    with open_app(settings) as app:
        session = app.open_host(HostName(host))
        try:
            facts = session.facts()
        finally:
            session.close()
        return (
            f"a host of build {facts.os_build}, agent {facts.agent_version}, "
            f"contract {facts.contract_version}, {_ways(app, host)}"
        )


def _ways(app: App, host: str) -> str:
    """How it was signed in, and who read the disks."""
    policy = next(each for each in app.policies().policies.hosts if each.name == host)
    tls = "with" if policy.tls else "without"
    return f"{policy.authentication} {tls} TLS, disks through {policy.disks_through}"


def _counted(report: Path) -> str:
    if not report.is_file():
        return "no case ran"
    verdicts: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (pytest's own file)
        kinds = {child.tag for child in case}
        verdicts["failed" if kinds & {"failure", "error"} else _passed_or_not(kinds)] += 1
    counts: Mapping[str, int] = verdicts
    return ", ".join(f"{counts.get(word, 0)} {word}" for word in ("passed", "failed", "skipped"))


def _passed_or_not(kinds: set[str]) -> str:
    return "skipped" if "skipped" in kinds else "passed"


if __name__ == "__main__":
    sys.exit(main())
