"""`gatewaykit keys …`: make, list, rotate and revoke API keys, in a store that a running gateway follows.

A value is shown once, when it is made. The store holds its digest.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.cli.sources import add_json
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.clock import SYSTEM
from gatewaykit.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.ports import KeyStore

__all__ = ["add", "run"]

_STORE: Final = "keys.json"
_ATTEMPTS: Final = 20  # of a change that others are quicker than
_LAST_S: Final = 253402300799.0  # the end of the year 9999, and of what a calendar has


def add(commands: Any) -> None:
    parser = commands.add_parser("keys", help="make, list, rotate, revoke and import API keys")
    verbs = parser.add_subparsers(metavar="verb", dest="verb", required=True)

    def verb(name: str, act: Callable[..., Any], text: str, *, key: bool = False) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=text)
        if key:
            made.add_argument("key", metavar="KEY", help="its id, or its name where no other key has it")
        made.add_argument(
            "--store", metavar="STORE", default=_STORE,
            help=f"keys.json, keys.yaml, or sqlite:///keys.db ({_STORE})",
        )  # fmt: skip
        add_json(made)
        made.set_defaults(run=run, act=act)
        return made

    create = verb("create", _create, "make a key, and show its value once")
    create.add_argument("name", metavar="NAME", help="whose it is; need not be unique")
    create.add_argument("--description", metavar="TEXT", default="", help="what it is for")
    create.add_argument("--expires", metavar="WHEN", help="a time from now such as 90d, or a date such as 2027-01-01")
    create.add_argument("--stage", metavar="NAME", action="append", help="hold it to this stage")
    create.add_argument("--disabled", action="store_true", help="refuse it until it is enabled")
    verb("list", _list, "list the keys; values are never shown")
    rotate = verb("rotate", _rotate, "give a key a new value; the old one holds for a while", key=True)
    rotate.add_argument(
        "--old-for", metavar="TIME", default="1d", help="how long the old value holds: 2h, 7d, or until-revoked (1d)"
    )
    for made in (create, rotate):
        made.add_argument("--prefix", metavar="TEXT", default="", help="what the value begins with, up to 11 letters")
    revoke = verb("revoke", _revoke, "forget a key for good", key=True)
    revoke.add_argument("--old", action="store_true", help="only its value from before the last rotation")
    verb("enable", _enable, "let a disabled key in again", key=True)
    verb("disable", _disable, "refuse a key until it is enabled again", key=True)
    read = verb("import", _import, "read keys from a CSV file of API Gateway's format")
    read.add_argument("file", metavar="FILE", help="with the columns name, key, description, Enabled, usageplanIds")
    read.add_argument("--fail-on-warnings", action="store_true", help="import nothing where anything is wrong")


def run(arguments: argparse.Namespace, output: Output) -> int:
    import asyncio

    from gatewaykit.deploy.key_stores import key_store

    async def act() -> int:
        store = key_store(arguments.store, create=arguments.verb in ("create", "import"))
        try:
            code: int = await arguments.act(store, arguments, output)
        finally:
            await store.aclose()
        return code

    try:
        return asyncio.run(act())
    except StoreError as error:
        raise UsageError(str(error)) from None


# ---------------------------------------------------------------------------------------------------- verbs


async def _create(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.core.identity.api_key import ApiKey, hashed
    from gatewaykit.core.identity.key_value import make_id

    if not arguments.name.strip() or len(arguments.name) > 1024:
        raise UsageError("a name has 1 to 1024 characters")
    value = _new_value(arguments.prefix)
    key = ApiKey(
        id=make_id(secrets.token_bytes(16)),
        name=arguments.name,
        value=hashed(value),
        enabled=not arguments.disabled,
        stages=frozenset(arguments.stage) if arguments.stage else None,
        description=arguments.description,
        created_s=float(int(SYSTEM.wall())),
        expires_s=_instant(arguments.expires, "--expires") if arguments.expires else None,
    )
    if not await store.put((key, None)):
        raise UsageError(f"another key has the id {key.id} already: try again")
    return _shown(key, value, arguments, output)


async def _list(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    keys = await store.list()
    if output.as_json:
        output.json([_plain(key) for key in keys])
        return 0
    heading = [output.style("bold", text) for text in ("ID", "NAME", "STATE", "CREATED", "EXPIRES", "OLD VALUE")]
    styles = {"enabled": "green", "disabled": "yellow", "expired": "red"}
    rows = [
        [
            key.id, key.name, output.style(styles[_state(key)], _state(key)), _day(key.created_s),
            _day(key.expires_s), _old_value(key),
        ]
        for key in keys
    ]  # fmt: skip
    output.table([heading, *rows], 0)
    return 0


async def _rotate(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.core.identity.api_key import hashed

    value = _new_value(arguments.prefix)
    revoked = arguments.old_for == "until-revoked"
    ends_s = None if revoked else _instant(arguments.old_for, "--old-for")

    def rotated(key: ApiKey) -> ApiKey:
        if _old_value(key) != "-":
            mend = f"Run: gatewaykit keys revoke {key.id} --old --store {arguments.store}"
            raise UsageError(f"key {key.id} ({key.name}) has two values already", mend=mend)
        return replace(key, value=hashed(value), previous=key.value, previous_expires_s=ends_s)

    return _shown(await _changed(store, arguments.key, rotated), value, arguments, output)


async def _revoke(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    if arguments.old:
        return _said(await _changed(store, arguments.key, _without_old), "keeps one value", output)
    key = _chosen(await store.list(), arguments.key)
    if not await store.remove(key.id):
        raise UsageError(f"key {key.id} ({key.name}) is gone already")
    return _said(key, "is revoked", output)


async def _enable(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    key = await _changed(store, arguments.key, lambda key: replace(key, enabled=True))
    return _said(key, "is enabled", output)


async def _disable(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    key = await _changed(store, arguments.key, lambda key: replace(key, enabled=False))
    return _said(key, "is disabled", output)


async def _import(store: KeyStore, arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.core.identity.key_file import read_key_file

    found = read_key_file(_text_of(arguments.file), arguments.file)
    if found.problems:
        raise ConfigError(found.problems)
    complaints = [*found.refused, *found.warnings]
    stopped = bool(complaints) and arguments.fail_on_warnings
    written = [] if stopped else await _merged(store, found.rows)
    if output.as_json:
        texts = [str(problem) for problem in complaints]
        output.json({"ids": [key.id for key, _ in written], "warnings": texts, "store": arguments.store})
    else:
        for problem in complaints:
            output.line(str(problem))
        new = sum(was is None for _, was in written)
        output.line(f"{new} keys imported, {len(written) - new} changed, {len(found.refused)} problems")
        if stopped:
            output.line("Nothing was imported")
    return 1 if stopped or found.refused else 0


# ---------------------------------------------------------------------------------------------------- parts


async def _merged(store: KeyStore, rows: Sequence[Any]) -> list[tuple[ApiKey, ApiKey | None]]:
    """The rows, written: a key whose value is there already takes the row's name, description and flag."""
    from gatewaykit.core.identity.api_key import ApiKey, hashed
    from gatewaykit.core.identity.key_value import make_id

    for _ in range(_ATTEMPTS):
        known = {key.value: key for key in await store.list()}
        changes: list[tuple[ApiKey, ApiKey | None]] = []
        for row in rows:
            was = known.get(hashed(row.value))
            key = was or ApiKey(
                id=make_id(secrets.token_bytes(16)), value=hashed(row.value), created_s=float(int(SYSTEM.wall()))
            )
            changes.append(
                (replace(key, name=row.name or key.id, description=row.description, enabled=row.enabled), was)
            )
        if await store.put(*changes):
            return changes
    raise UsageError("others change the store all the time, or a key is the old value of another: nothing was imported")


async def _changed(store: KeyStore, text: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey:
    """A key, changed. Where somebody else was quicker, from what stands there by then."""
    for _ in range(_ATTEMPTS):
        key = _chosen(await store.list(), text)
        changed = change(key)
        if changed == key or await store.put((changed, key)):
            return changed
    raise UsageError("others change the store all the time: nothing was written")


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{file}: the file is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{file}: the file cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _chosen(keys: Sequence[ApiKey], text: str) -> ApiKey:
    """The key with this id or, where only one has it, this name."""
    from gatewaykit.definition.near import near_miss

    named = [key for key in keys if key.id == text] or [key for key in keys if key.name == text]
    if len(named) > 1:
        raise UsageError(f"{len(named)} keys are named {text!r}: give the id, {' or '.join(key.id for key in named)}")
    if not named:
        near = near_miss(text, [word for key in keys for word in (key.id, key.name)])
        raise UsageError(f"there is no key {text!r}", near=near)
    return named[0]


def _without_old(key: ApiKey) -> ApiKey:
    return replace(key, previous="", previous_expires_s=None)


def _new_value(prefix: str) -> str:
    from gatewaykit.core.identity.key_value import ENTROPY_BYTES, make_value

    try:
        return make_value(secrets.token_bytes(ENTROPY_BYTES), prefix)
    except ValueError as error:
        raise UsageError(f"--prefix: {error}") from None


def _instant(text: str, option: str) -> float:
    """A time from now, or a date, as seconds since 1970."""
    from gatewaykit.units import parse_duration, parse_instant

    now = SYSTEM.wall()
    try:
        instant = parse_instant(text)
    except ValueError:
        try:
            instant = now + parse_duration(text)
        except ValueError:
            raise UsageError(
                f"{option}: {text!r} is neither a time such as 90d nor a date such as 2027-01-01"
            ) from None
    if instant < int(now) or instant > _LAST_S:
        raise UsageError(f"{option}: {text!r} is in the past" if instant < now else f"{option}: {text!r} is too long")
    return float(int(instant))


def _state(key: ApiKey) -> str:
    if not key.enabled:
        return "disabled"
    return "expired" if key.expires_s is not None and SYSTEM.wall() >= key.expires_s else "enabled"


def _old_value(key: ApiKey) -> str:
    """How long the value from before a rotation holds; "-" where there is none, or it does no more."""
    if not key.previous or (key.previous_expires_s is not None and SYSTEM.wall() >= key.previous_expires_s):
        return "-"
    return "until revoked" if key.previous_expires_s is None else f"until {_day(key.previous_expires_s)}"


def _day(instant_s: float | None) -> str:
    from gatewaykit.units import instant_text

    return "-" if instant_s is None else instant_text(instant_s).replace("T", " ").removesuffix("Z")


def _plain(key: ApiKey) -> dict[str, Any]:
    """A key as JSON: its record, without digests."""
    from gatewaykit.core.identity.key_record import record_of

    record = {"state": _state(key), **record_of(key)}
    del record["sha256"]
    if "previous" in record:
        del record["previous"]["sha256"]
    return record


def _shown(key: ApiKey, value: str, arguments: argparse.Namespace, output: Output) -> int:
    """A new value, the only time it is seen."""
    if output.as_json:
        output.json({**_plain(key), "value": value, "store": arguments.store})
        return 0
    rows = [["Key", output.style("bold", value)], ["Id", key.id], ["Name", key.name], ["Store", arguments.store]]
    if _old_value(key) != "-":
        rows.append(["Old value", f"holds {_old_value(key)}"])
    output.table(rows, 0)
    output.line("\nThe key is shown this once; the store has its digest only")
    return 0


def _said(key: ApiKey, what: str, output: Output) -> int:
    if output.as_json:
        output.json(_plain(key))
    else:
        output.line(f"{key.name} ({key.id}) {what}")
    return 0
