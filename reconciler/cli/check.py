"""`reconciler check`: say everything that is wrong with the policies, and touch nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # --help must not wait for the models
    from collections.abc import Sequence

    from reconciler.policy.complaints import Complaint

INVALID_POLICIES = 3


@click.command("check")
@click.argument(
    "path",
    type=click.Path(path_type=Path),
    default=Path("policies"),
    envvar="RECONCILER_POLICIES",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the result.",
)
def command(path: Path, output: str) -> None:
    """Check the policies in PATH, a folder (default: policies) or one file.

    Exits 0 when they can be used, 3 when they cannot. A single file is checked by itself: whether
    the hosts and pools that it names exist shows only when the whole folder is checked.
    """
    from reconciler.adapters.policy_folder import read_policies  # noqa: PLC0415
    from reconciler.policy.complaints import Severity  # noqa: PLC0415
    from reconciler.policy.parse import parse_file, parse_set  # noqa: PLC0415

    found = read_policies(path)
    files = {(found.root / name).as_posix(): raw for name, raw in found.files.items()}
    if path.is_file():
        (single,) = (parse_file(name, raw) for name, raw in files.items())
        complaints, policies = single.complaints, len(single.documents)
    else:
        whole = parse_set(files)
        complaints, policies = whole.complaints, len(whole.policies.policies)
    errors = sum(complaint.severity is Severity.ERROR for complaint in complaints)
    counts = {
        "files": len(files),
        "policies": policies,
        "errors": errors,
        "warnings": len(complaints) - errors,
    }
    click.echo(_as_json(complaints, counts) if output == "json" else _as_text(complaints, counts))
    click.get_current_context().exit(INVALID_POLICIES if errors else 0)


def _as_text(complaints: Sequence[Complaint], counts: dict[str, int]) -> str:
    summary = (
        f"{_counted(counts['files'], 'file')}, {_counted(counts['policies'], 'policy')}: "
        f"{_counted(counts['errors'], 'error')}, {_counted(counts['warnings'], 'warning')}"
    )
    return "\n".join([*(complaint.render() for complaint in complaints), summary])


def _counted(count: int, noun: str) -> str:
    """`no errors`, `1 warning`, `5 policies`."""
    many = noun.removesuffix("y") + "ies" if noun.endswith("y") else noun + "s"
    return f"{count or 'no'} {noun if count == 1 else many}"


def _as_json(complaints: Sequence[Complaint], counts: dict[str, int]) -> str:
    entries = [
        {
            "file": complaint.path,
            "line": complaint.line,
            "column": complaint.column,
            "code": complaint.code.value,
            "severity": complaint.severity.value,
            "field": complaint.where,
            "message": complaint.text,
            "hint": complaint.hint,
        }
        for complaint in complaints
    ]
    return json.dumps({**counts, "complaints": entries}, indent=2, ensure_ascii=False)
