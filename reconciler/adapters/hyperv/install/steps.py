"""From what a host has and what it is to have, the steps between them. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from reconciler.adapters.hyperv.install import deeds
from reconciler.adapters.hyperv.install.administrator import Seen
from reconciler.adapters.hyperv.install.files import (
    CONFIGURATION_FILE,
    ROLE_FILE,
    ModuleVersion,
    Wanted,
    sha256,
)
from reconciler.agent_contract import AgentFunction

Call = tuple[AgentFunction, Mapping[str, object]]

PENDING: Final = "restart.pending"
"""Lies in the agent's folder from before a registration until WinRM has restarted."""
OLD_ROLE: Final = ".old-ReconcilerAgent.psrc"
_NEW_ROLE: Final = ".new-ReconcilerAgent.psrc"
_NEW_CONFIGURATION: Final = ".new-ReconcilerAgent.pssc"
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+){1,3}")


class Way(Enum):
    """How a step is done."""

    CALLS = auto()
    CHECK_DRAFT = auto()
    RESTART = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One step, as it is told and as it is done."""

    text: str
    calls: tuple[Call, ...] = ()
    way: Way = Way.CALLS


def draft_of(version: str) -> str:
    """The folder that a version is written into."""
    return f".new-{version}"


def old_of(version: str) -> str:
    """Where a folder that is in the way goes."""
    return f".old-{version}"


def below(seen: Seen, folder: str) -> dict[str, str]:
    """SHA-256 of the files in a folder, by the path in it."""
    start = f"{folder}/"
    return {p.removeprefix(start): h for p, h in seen.files.items() if p.startswith(start)}


def install_steps(seen: Seen, wanted: Wanted, name: str) -> list[Step]:
    """All steps up to the verification."""
    steps = [*_module(seen, wanted.agent), *_role(seen, wanted.agent)]
    configuration = wanted.configuration()
    registered = seen.files.get(CONFIGURATION_FILE, "")
    if configuration is not None and registered != sha256(configuration):
        registered = sha256(configuration)
        calls = (
            *_written(_NEW_CONFIGURATION, configuration),
            _moved(_NEW_CONFIGURATION, CONFIGURATION_FILE),
        )
        steps.append(Step(f"write the session configuration {CONFIGURATION_FILE}", calls))
    if not seen.is_registered or seen.registered_sha256 != registered:
        steps.append(
            Step(f"register the end point {name}", _pending((deeds.REGISTER, {"Name": name})))
        )
        steps.append(_restart(name))
    elif PENDING in seen.files:
        steps.append(_restart(name))
    return steps


def cleaning_steps(seen: Seen, version: str) -> list[Step]:
    """What goes when the new version has been verified."""
    first = [OLD_ROLE] if OLD_ROLE in seen.files else []
    tops = {path.partition("/")[0] for path in seen.files} - {OLD_ROLE}
    debris = [top for top in sorted(tops) if _is_debris(top) or _is_other_version(top, version)]
    return [Step(f"remove {top}", (_removed(top),)) for top in (*first, *debris)]


def undoing_steps(seen: Seen, version: str) -> list[Step]:
    """What puts back the version before, if there was one."""
    steps = []
    if OLD_ROLE in seen.files:
        steps.append(Step("put the role capability back", (_moved(OLD_ROLE, ROLE_FILE),)))
    tops = {path.partition("/")[0] for path in seen.files if "/" in path}
    aside = sorted(top.removeprefix(old_of("")) for top in tops if top.startswith(old_of("")))
    if aside or any(_is_other_version(top, version) for top in tops):
        draft = draft_of(version)
        calls = [_removed(draft), _moved(version, draft)]
        calls += [_moved(old_of(each), each) for each in aside]
        steps.append(Step(f"withdraw {version}; the former version comes back", tuple(calls)))
    return steps


def unregistering_steps(seen: Seen, name: str) -> list[Step]:
    """The end point goes, and WinRM restarts."""
    if seen.is_registered:
        calls = _pending((deeds.UNREGISTER, {"Name": name}))
        return [Step(f"unregister the end point {name}", calls), _restart(name)]
    return [_restart(name)] if PENDING in seen.files else []


def removing_steps(seen: Seen) -> list[Step]:
    """All files that are ours."""
    tops = sorted({path.partition("/")[0] for path in seen.files if "/" in path})
    ours = [
        top
        for top in tops
        if _VERSION.fullmatch(top) and f"{top}/ReconcilerAgent.psd1" in seen.files
    ]
    ours += [each for each in (ROLE_FILE, CONFIGURATION_FILE) if each in seen.files]
    ours += sorted({path.partition("/")[0] for path in seen.files if _is_debris(path)})
    return [Step(f"remove {each}", (_removed(each),)) for each in ours]


def _module(seen: Seen, agent: ModuleVersion) -> Iterator[Step]:
    hashes = {path: sha256(data) for path, data in agent.module.items()}
    version, draft = agent.version, draft_of(agent.version)
    installed, begun = below(seen, version), below(seen, draft)
    if installed == hashes:
        return
    known = {digest: path for path, digest in seen.files.items() if not path.startswith(draft)}
    calls = [_removed(f"{draft}/{path}") for path in begun.keys() - hashes.keys()]
    sent = kept = 0
    for path, data in agent.module.items():
        place = f"{draft}/{path}"
        if begun.get(path) == hashes[path]:
            kept += 1
        elif source := known.get(hashes[path]):
            kept += 1
            calls.append((deeds.COPY, {"Path": source, "Destination": place}))
        else:
            sent += len(data)
            calls += _written(place, data)
    count = len(hashes) - kept
    text = f"copy {count} of {len(hashes)} files of version {version} ({sent:,} bytes) into {draft}"
    yield Step(f"{text}; {kept} are on the host", tuple(calls))
    yield Step(f"compare the SHA-256 of what lies in {draft}", way=Way.CHECK_DRAFT)
    for each in _in_the_way(seen, version):
        old = old_of(each)
        yield Step(f"put {each} aside, to {old}", (_removed(old), _moved(each, old)))
    yield Step(f"move {draft} to {version}", (_moved(draft, version),))


def _in_the_way(seen: Seen, version: str) -> list[str]:
    """Versions that sessions would get instead of a new one: itself, and newer ones."""
    tops = {path.partition("/")[0] for path in seen.files if "/" in path}
    found = (top for top in tops if _VERSION.fullmatch(top))
    return sorted(top for top in found if _numbers(top) >= _numbers(version))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split("."))


def _role(seen: Seen, agent: ModuleVersion) -> Iterator[Step]:
    if seen.files.get(ROLE_FILE) == sha256(agent.role):
        return
    kept: list[Call] = []
    if ROLE_FILE in seen.files:
        kept.append((deeds.COPY, {"Path": ROLE_FILE, "Destination": OLD_ROLE}))
    calls = (*kept, *_written(_NEW_ROLE, agent.role), _moved(_NEW_ROLE, ROLE_FILE))
    yield Step(f"write the role capability {ROLE_FILE}", calls)


def _written(path: str, data: bytes) -> Iterator[Call]:
    for start in range(0, len(data), deeds.PIECE_BYTES):
        piece = data[start : start + deeds.PIECE_BYTES]
        yield deeds.WRITE, {"Path": path, "Offset": start, "Data": piece}


def _moved(path: str, destination: str) -> Call:
    return deeds.MOVE, {"Path": path, "Destination": destination}


def _removed(path: str) -> Call:
    return deeds.REMOVE, {"Path": path}


def _pending(*calls: Call) -> tuple[Call, ...]:
    return (*_written(PENDING, b"WinRM has to restart\r\n"), *calls)


def _restart(name: str) -> Step:
    text = f"restart WinRM, which ends all remote sessions there; then {name} is as registered"
    return Step(text, (_removed(PENDING),), Way.RESTART)


def _is_debris(path: str) -> bool:
    return path.startswith((".new-", ".old-"))


def _is_other_version(top: str, version: str) -> bool:
    return top != version and bool(_VERSION.fullmatch(top))


def restarts(steps: Iterable[Step]) -> bool:
    """Whether WinRM restarts on the way."""
    return any(step.way is Way.RESTART for step in steps)
