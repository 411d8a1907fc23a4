"""API keys in a JSON or YAML file, which the command `keys` writes and people may read.

Rules
* The file holds digests only (`core.identity.key_record`).
* Writing replaces it whole: a new file beside it is written, brought to the disk, and renamed over the old one. Readers
  see the one or the other. A symbolic link stays, and what it points to is replaced.
* Writers take turns by a lock on `FILE.lock`, and each starts from what it reads then; a writer that dies lets go.
* The size, the times and the number of the file tell whether it has changed.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from gatewaykit.core.identity.api_key import ApiKey, KeyTable, digests_of
from gatewaykit.core.identity.key_record import document_of, read_document, record_of
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.stores.kept_keys import KeptKeys, table_of

__all__ = ["SUFFIXES", "KeysFile"]

SUFFIXES: Final = (".json", ".yaml", ".yml")
_LOG: Final = logging.getLogger("gatewaykit")


class KeysFile(KeptKeys):
    """Keys in a file."""

    def open(self) -> None:
        super().open()
        if os.name == "posix" and os.path.exists(self.place) and os.stat(self.place).st_mode & stat.S_IWOTH:
            _LOG.warning("%s can be written by anybody on this machine, who so lets themselves in", self.place)

    def _stamped(self) -> Any:
        try:
            found = os.stat(self.place)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            if self.create and isinstance(error, FileNotFoundError):
                return "nothing"
            raise _unreadable(self.place, error) from None
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino

    def _load(self) -> KeyTable:
        try:
            text = Path(self.place).read_text("utf-8")
        except (OSError, ValueError) as error:  # ValueError: no UTF-8
            if self.create and isinstance(error, FileNotFoundError):
                return KeyTable(())
            raise _unreadable(self.place, error) from None
        return table_of(read_document(_parsed(text, self.place)), self.place)

    def _put(self, changes: Sequence[tuple[ApiKey, ApiKey | None]]) -> bool:
        def change(keys: Sequence[ApiKey]) -> list[ApiKey] | None:
            stands = {key.id: key for key in keys}
            taken = {digest for key in keys for digest in digests_of(key)}
            for key, was in changes:
                if _record(stands.get(key.id)) != _record(was):
                    return None
                taken.difference_update(digests_of(was) if was else ())
                if not taken.isdisjoint(digests_of(key)):
                    return None
                stands[key.id] = key
                taken.update(digests_of(key))
            return [*stands.values()]

        return self._change(change)

    def _remove(self, id: str) -> bool:
        def change(keys: Sequence[ApiKey]) -> list[ApiKey] | None:
            kept = [each for each in keys if each.id != id]
            return kept if len(kept) < len(keys) else None

        return self._change(change)

    async def aclose(self) -> None:
        """Nothing is open between two steps."""

    def _change(self, change: Callable[[Sequence[ApiKey]], list[ApiKey] | None]) -> bool:
        """Replace the keys by what `change` makes of them; None leaves them."""
        path = os.path.realpath(self.place)
        try:
            with _locked(f"{path}.lock"):
                changed = change(self._load().keys)
                if changed is not None:
                    _write(path, _written(document_of(changed), path))
                return changed is not None
        except (OSError, ValueError) as error:
            what = f"the file cannot be written: {getattr(error, 'strerror', None) or error}"
            mend = "Make its directory" if isinstance(error, FileNotFoundError) else ""
            raise ConfigError(Problem(where=self.place, what=what, mend=mend)) from None


def _record(key: ApiKey | None) -> dict[str, Any] | None:
    return None if key is None else record_of(key)


def _unreadable(place: str, error: Exception) -> ConfigError:
    what = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    mend = f"Run: gatewaykit keys create NAME --store {place}" if isinstance(error, FileNotFoundError) else ""
    return ConfigError(Problem(where=place, what=what, mend=mend))


def _parsed(text: str, place: str) -> Any:
    try:
        if place.endswith(".json"):
            return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{place}:{error.lineno}:{error.colno}"
        raise ConfigError(Problem(where=where, what=f"the file is not JSON: {error.msg}")) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(Problem(where=place, what=f"the file is not JSON: {error}")) from None
    yaml = _yaml(place)
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(Problem(where=place, what=f"the file is not YAML: {error}")) from None


def _written(document: Any, place: str) -> str:
    if place.endswith(".json"):
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    text: str = _yaml(place).safe_dump(document, sort_keys=False, allow_unicode=True)
    return text


def _yaml(place: str) -> Any:
    try:
        import yaml
    except ImportError:
        what, mend = "reading YAML needs PyYAML", 'Run: pip install "gatewaykit[yaml]"'
        raise ConfigError(Problem(where=place, what=what, mend=mend)) from None
    return yaml


def _write(path: str, text: str) -> None:
    """Replace a file whole. Nobody else may read a new one; an old one keeps its owner and who may."""
    directory = os.path.dirname(path)
    old = os.stat(path) if os.path.exists(path) else None
    descriptor, name = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if old is not None and sys.platform != "win32" and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(OSError):  # only the superuser may give a file away
                os.chown(name, old.st_uid, old.st_gid)
        os.chmod(name, 0o600 if old is None else stat.S_IMODE(old.st_mode))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    if os.name == "posix":  # the new name is on the disk only when the directory is
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Alone among the writers. The lock's own file stays: who removes it lets two in at once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
