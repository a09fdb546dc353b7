"""A README of an example as a test: its commands are run, and what it shows has to be true.

In a block that is marked `console` each line that begins with `$` is a command, and those below it
are lines of its output, in order; `…` stands for others. A command ends with exit code 0, or as its
comment says: `# exits 8`. Times, sizes, addresses and commits may differ; nothing else may.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Timer
from zoneinfo import ZoneInfo

from reconciler.lab import processes
from reconciler.lab.clock import LabClock
from reconciler.lab.create import create_lab
from reconciler.lab.definition import LabDefinition
from tests.lab_world import World, free_port

EXAMPLES = Path(__file__).parents[1] / "examples"
LONG_S = 120.0
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXITS = re.compile(r"# exits (\d+)\Z")
_CONNECTION = re.compile(r"address: (?P<at>127\.0\.1\.\d).*\n(?:unc_name.*\n)?port: (?P<port>\d+)")
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\+00:00| UTC| CES?T)?"), "<time>"),
    (re.compile(r"\d[\d.,]* (?:bytes|[KMG]iB)"), "<size>"),
    (re.compile(r"\d[\d,]* blocks compared, \d[\d,]* of"), "<number> blocks compared, <number> of"),
    (re.compile(r"127\.0\.\d\.\d:\d+"), "<address>"),
    (re.compile(r"127\.0\.\d\.\d -Port \d+"), "<address>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True)
class Step:
    """A command, and what the README says becomes of it."""

    command: str
    exit_code: int
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """What became of it."""

    exit_code: int
    output: str

    def lacks(self, shown: Sequence[str]) -> list[str]:
        """Lines that are not in the output, at least not in this order."""
        left = iter([without_what_varies(line) for line in self.output.splitlines()])
        return [line for line in shown if without_what_varies(line) not in left]


def without_what_varies(text: str) -> str:
    for pattern, what in _VARIES:
        text = pattern.sub(what, text)
    return text.strip()


def steps_of(readme: Path) -> Iterator[Step]:
    for block in _BLOCK.findall(readme.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.rstrip().splitlines()
            told = _EXITS.search(command)
            lines = tuple(line for line in shown if line.strip() not in {"", "…"})
            yield Step(command, int(told[1]) if told else 0, lines)


class Shell:
    """One shell for a whole walk, so that it stays where it went."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        places = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment | {"PATH": places, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> Done:
        """What a command ends with and prints; lines of the log are left out."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        deadline = Timer(LONG_S, self._process.kill)
        deadline.start()
        stdin.write(f'{{ {command}\n}} </dev/null\necho "<ended $?>"\n')
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            ended = re.search(r"<ended (\d+)>$", line)
            if ended:
                deadline.cancel()
                return Done(int(ended[1]), "".join(lines))
            if not line.startswith("{"):
                lines.append(line)
        raise AssertionError(f"`{command}` did not end: {''.join(lines)}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class ExampleWorld(World):
    """The folder of an example with its lab, where its README has them."""

    @property
    def lab(self) -> Path:
        return self.folder / ".lab"


@dataclass
class Walk:
    """An example on its way, in a copy with a lab at free ports."""

    world: ExampleWorld
    shell: Shell
    done: list[tuple[Step, Done]] = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        """The commands, each before it is run and checked."""
        for step in steps_of(self.world.folder / "README.md"):
            yield step
            done = self.shell.run(step.command)
            assert done.exit_code == step.exit_code, f"{step.command}\n{done.output}"
            assert done.lacks(step.shown) == [], f"{step.command}\n{done.output}"
            self.done.append((step, done))

    def run(self) -> None:
        """All of it."""
        assert [step.command for step in self.steps()]

    def output_of(self, command: str) -> list[str]:
        """What a command printed, each time that it was run."""
        return [done.output for step, done in self.done if step.command == command]


@contextmanager
def walk(example: str, folder: Path, definition: LabDefinition) -> Iterator[Walk]:
    """All examples in a folder of their own, and the lab of one of them on ports that are free.

    It is noon on a Tuesday there, so that a plan does not depend on when it is made.
    """
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns(".*"))
    world = ExampleWorld(
        folder / "examples" / example,
        {host.name: ("127.0.0.1", free_port()) for host in definition.hosts},
        state=".reconciler",
        file_servers={name: ("127.0.0.1", free_port()) for name in definition.file_servers},
    )
    create_lab(world.lab, definition)
    _at_noon(LabClock(world.lab))
    shell = Shell(folder, _environment())
    try:
        world.up()
        _at_these_ports(world)
        yield Walk(world, shell)
    finally:
        shell.close()
        processes.down(world.lab)


def _at_noon(clock: LabClock) -> None:
    now = clock().astimezone(ZoneInfo("Europe/Berlin"))
    noon = now.replace(hour=12, minute=2, second=0) + timedelta(days=8 - now.weekday())
    clock.advance((noon - now).total_seconds())


def _environment() -> dict[str, str]:
    others = {name: text for name, text in os.environ.items() if "RECONCILER" not in name}
    of_git = {f"GIT_{who}_NAME": "An operator" for who in ("AUTHOR", "COMMITTER")}
    of_git |= {f"GIT_{who}_EMAIL": "operator@example.com" for who in ("AUTHOR", "COMMITTER")}
    return others | of_git | {"GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}


def _at_these_ports(world: ExampleWorld) -> None:
    """Let the policies say where the lab is."""
    names = {address: name for name, (address, _) in processes.ADDRESSES.items()}
    hosts = {status.name: status for status in processes.status(world.lab)}

    def rewritten(found: re.Match[str]) -> str:
        host = hosts[names[found["at"]]]
        port = {"5985": host.port, "5986": host.tls_port, "4455": host.smb_port}[found["port"]]
        text = found[0].replace(found["at"], host.address)
        return text.removesuffix(found["port"]) + str(port)

    for path in world.policies.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(_CONNECTION.sub(rewritten, text), encoding="utf-8")
