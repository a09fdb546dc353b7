"""Secrets by reference: `env:NAME` and `file:path`, resolved here and nowhere else."""

import os
from pathlib import Path

from reconciler.errors import SettingsError

MAX_SECRET_BYTES = 64 << 10


def resolve_secret(reference: str) -> str:
    """The secret behind a reference; a relative path counts from the working folder.

    Raises:
        SettingsError: It is not there, empty or not readable. Never says what it holds.
    """
    scheme, _, name = reference.partition(":")
    match scheme:
        case "env":
            found = os.environ.get(name, "")
        case "file":
            found = _from_file(Path(name))
        case _:
            raise SettingsError(
                "a secret is neither env:NAME nor file:path",
                hint="put the secret into a file that only the reconciler can read",
            )
    if not found:
        raise SettingsError(
            f"the secret {reference} is empty or not set",
            hint="set it and run again; `reconciler lab up` makes the passwords of the lab's hosts",
        )
    return found


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        text = raw.decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise SettingsError(  # without its cause, which would show the bytes of the secret
            f"the secret file {path} cannot be read: UnicodeDecodeError",
            hint="check that it is UTF-8 text",
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the secret file {path} cannot be read: {error.__class__.__name__}",
            hint="check that the reconciler may read it and that it is UTF-8 text",
        ) from error
    if len(raw) > MAX_SECRET_BYTES:
        raise SettingsError(
            f"the secret file {path} has more than {MAX_SECRET_BYTES:,} bytes",
            hint="name the file that holds only the secret",
        )
    return text.rstrip("\r\n")
