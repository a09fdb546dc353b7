"""`reconciler schema`: write the JSON Schemas that editors use."""

import json
from pathlib import Path

import click

FAILED = 1


@click.command("schema")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("schemas"),
    show_default=True,
    help="Folder to write to.",
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 if one is stale.")
def command(out: Path, *, only_check: bool) -> None:
    """Write the JSON Schemas of all policy kinds; only files that changed are written."""
    stale = [(path, text) for path, text in _wanted(out) if not _is_current(path, text)]
    for path, text in stale:
        if not only_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"{'stale' if only_check else 'wrote'} {path}")
    if not stale:
        click.echo(f"the schemas in {out} are current")
    elif only_check:
        click.echo("hint: run `reconciler schema` and commit what it writes")
        click.get_current_context().exit(FAILED)


def _wanted(out: Path) -> list[tuple[Path, str]]:
    from reconciler.policy.schema import schemas  # noqa: PLC0415

    return [
        (out / name, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        for name, schema in schemas().items()
    ]


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
