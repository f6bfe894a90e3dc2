"""From an address to a storage.

sqlite:PATH or PATH        one SQLite file
files:FOLDER               JSON-lines files
redis://HOST:PORT/DB       a Redis server; rediss:// and unix:// as well
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from pytest_highway.storage.records import StorageError
from pytest_highway.storage.storage import Storage

__all__ = ["DEFAULT_ADDRESS", "SUFFIXES", "absolute", "is_address", "open_storage"]

DEFAULT_ADDRESS = "sqlite:.highway/history.sqlite"
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
# How a path ends that nobody takes for anything else than a database.
SUFFIXES = (".sqlite", ".sqlite3", ".db")


class Make(Protocol):
    """What makes a storage from an address or a path."""

    def __call__(self, place: object) -> Storage: ...


def is_address(text: str) -> bool:
    """Whether a text can be nothing else than an address: by its scheme, or by its end."""
    return text.startswith((*REDIS_SCHEMES, "sqlite:", "files:")) or text.endswith(SUFFIXES)


def absolute(address: str, folder: Path) -> str:
    """The same address for everybody, wherever they stand; paths are relative to `folder`."""
    scheme, colon, rest = address.partition(":")
    if address.startswith(REDIS_SCHEMES) or (colon and not rest):
        return address
    return f"{scheme}:{folder / rest}" if colon else f"sqlite:{folder / address}"


def open_storage(
    address: str = DEFAULT_ADDRESS, folder: Path = Path(), *, create: bool = True
) -> Storage:
    """The storage at an address; paths are relative to `folder`.

    A file or folder is made when it is missing, unless `create` is false. StorageError when there
    is none or it cannot be made, when the file is none of ours, or the server does not answer.
    """
    if address.startswith(REDIS_SCHEMES):
        return _backend("redis_server", "RedisStorage")(address)
    scheme, colon, rest = address.partition(":")
    if colon and (scheme not in ("sqlite", "files") or not rest):
        raise StorageError(
            f"{address!r} is no address of a storage; it is sqlite:PATH, files:FOLDER "
            "or redis://HOST:PORT/DB"
        )
    path = folder / (rest if colon else address)
    if not create and not path.exists():
        raise StorageError(f"there is no history at {address!r}")
    _prepare(path.parent)
    if scheme == "files" and colon:
        return _backend("files", "FileStorage")(path)
    return _backend("sqlite", "SqliteStorage")(path)


def _backend(module: str, name: str) -> Make:
    """A backend, imported now: two of them bring a library that the others do without."""
    try:
        return cast("Make", getattr(import_module(f"{__package__}.{module}"), name))
    except ModuleNotFoundError as error:
        raise StorageError(
            f"this storage needs {error.name!r}; install pytest-highway[{error.name}]"
        ) from None


def _prepare(folder: Path) -> None:
    """Make the folder; a `.highway` of ours is kept out of the user's repository."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new and folder.name == ".highway":
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise StorageError(f"cannot make the folder {str(folder)!r}: {why}") from None
