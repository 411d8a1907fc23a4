"""Users, groups and roles with their access keys and policies, from plain data: the part of IAM that a gateway needs.

    account: "123456789012"
    policies: {read-pets: {Version: "2012-10-17", Statement: [...]}}
    groups: {keepers: {policies: [read-pets]}}
    users:
      alice: {groups: [keepers], access_keys: [{id: AKIA…, secret: …}]}
    roles:
      deployer: {policies: [...], sessions: [{name: ci, id: ASIA…, secret: …, token: …, expires: 2026-12-01T00:00Z}]}

IAM user guide, "IAM identifiers" (ARNs and unique ids) and "Policies and permissions". Values may be text throughout,
as a reader of YAML gives them that guesses no types.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from gatewaykit.core.iam.access import Principal
from gatewaykit.core.iam.credentials import KEY_ID, MIN_SECRET, Credentials
from gatewaykit.core.iam.policy import CompiledPolicy, Kind, compile_policy
from gatewaykit.core.iam.problems import Problems
from gatewaykit.errors import Problem
from gatewaykit.units import parse_instant

__all__ = ["Locate", "Path", "compile_directory"]

Path = tuple[str | int, ...]
Locate = Callable[[Path], str]
"""Where the value at a path of keys and indexes stands, as a person should read it."""

_ACCOUNT: Final = re.compile(r"\d{12}")
_NAME: Final = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_TOP: Final = (
    "account", "groups", "organization", "organization_paths", "policies", "roles", "service_control_policies", "users",
)  # fmt: skip
_GROUP: Final = ("policies",)
_USER: Final = ("access_keys", "boundary", "groups", "id", "path", "policies", "sessions", "tags")
_ROLE: Final = ("boundary", "id", "path", "policies", "sessions", "tags")
_KEY: Final = ("active", "id", "secret")
_SESSION: Final = ("active", "expires", "id", "mfa", "name", "policies", "secret", "tags", "token")


def compile_directory(
    data: object, *, account: str = "123456789012", locate: Locate | None = None
) -> dict[str, Credentials] | tuple[Problem, ...]:
    """The credentials by access key id, or everything wrong with the data. `account` is used where it names none."""
    reader = _Reader(account, locate or _dotted)
    found = reader.read(data)
    return problems if (problems := reader.problems.all()) else found


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"credentials{text}"


class _Reader:
    """One reading."""

    def __init__(self, account: str, locate: Locate) -> None:
        self.problems = Problems()
        self._account, self._locate = account, locate
        self._managed: Mapping[str, Any] = {}
        self._compiled: dict[tuple[str, Kind], CompiledPolicy | None] = {}
        self._credentials: dict[str, Credentials] = {}
        self._organization: tuple[str, tuple[str, ...]] = ("", ())
        self._limits: tuple[CompiledPolicy, ...] = ()

    def read(self, data: object) -> dict[str, Credentials]:
        top = self._mapping(data, (), _TOP)
        if "account" in top:
            if _ACCOUNT.fullmatch(str(top["account"])):
                self._account = str(top["account"])
            else:
                self._add(("account",), "is no account: it has 12 digits", mend="Write it in quotes")
        self._organization = (
            self._text(top, "organization", ()),
            tuple(map(str, self._list(top, "organization_paths", ()))),
        )
        self._managed = self._named(top, "policies", ())
        for name in self._managed:
            self._managed_policy(name, "identity", ("policies", name))
        self._limits = tuple(self._policies(top, "service_control_policies", (), "scp", "service control policy"))
        groups = {}
        for name, group in self._named(top, "groups", ()).items():
            here = ("groups", name)
            given = self._mapping(group, here, _GROUP)
            groups[name] = tuple(self._policies(given, "policies", here, "identity", f"group {name}"))
        for name, user in self._named(top, "users", ()).items():
            self._user(name, user, groups)
        for name, role in self._named(top, "roles", ()).items():
            self._role(name, role)
        return self._credentials

    def _user(self, name: str, data: object, groups: Mapping[str, tuple[CompiledPolicy, ...]]) -> None:
        here: Path = ("users", name)
        user = self._mapping(data, here, _USER)
        policies = list(self._policies(user, "policies", here, "identity", f"user {name}"))
        for index, group in enumerate(self._list(user, "groups", here)):
            if str(group) in groups:
                policies += groups[str(group)]
            else:
                self._add((*here, "groups", index), f"there is no group {str(group)[:100]!r}", word=group, known=groups)
        policies += self._boundary(user, here, f"user {name}")
        arn = f"arn:aws:iam::{self._account}:user{self._path(user, here)}{name}"
        principal = {
            "arn": arn, "account": self._account, "user_id": self._text(user, "id", here) or _unique_id("AIDA", arn),
            "name": name, "tags": self._tags(user, here), **self._in_organization(),
        }  # fmt: skip
        for index, key in enumerate(self._list(user, "access_keys", here)):
            self._access_key(key, (*here, "access_keys", index), _KEY, Principal(**principal), policies)
        for index, session in enumerate(self._list(user, "sessions", here)):
            self._session(session, (*here, "sessions", index), principal, policies)

    def _role(self, name: str, data: object) -> None:
        here: Path = ("roles", name)
        role = self._mapping(data, here, _ROLE)
        policies = list(self._policies(role, "policies", here, "identity", f"role {name}"))
        policies += self._boundary(role, here, f"role {name}")
        role_arn = f"arn:aws:iam::{self._account}:role{self._path(role, here)}{name}"
        principal = {
            "arn": f"arn:aws:sts::{self._account}:assumed-role/{name}/", "account": self._account,
            "kind": "AssumedRole", "name": name, "role_arn": role_arn, "tags": self._tags(role, here),
            "user_id": f"{self._text(role, 'id', here) or _unique_id('AROA', role_arn)}:", **self._in_organization(),
        }  # fmt: skip
        for index, session in enumerate(self._list(role, "sessions", here)):
            self._session(session, (*here, "sessions", index), principal, policies)

    def _session(
        self, data: object, here: Path, principal: Mapping[str, Any], policies: list[CompiledPolicy]
    ) -> None:  # fmt: skip
        session = self._mapping(data, here, _SESSION)
        told: dict[str, Any] = {**principal, "tags": {**principal["tags"], **self._tags(session, here)}}
        if principal.get("kind") == "AssumedRole":
            name = self._text(session, "name", here)
            if not _NAME.fullmatch(name):
                self._add(here, "a session of a role has a name of letters, digits and _+=,.@-")
            told.update(arn=principal["arn"] + name, user_id=principal["user_id"] + name)
        if "mfa" in session:
            told["mfa_present"] = self._flag(session, "mfa", here, default=False)
        if not self._text(session, "token", here):
            self._add(here, "the session has no token", mend="Long-term keys stand under access_keys")
        limits = list(self._policies(session, "policies", here, "session", "session"))
        self._access_key(session, here, _SESSION, Principal(**told), [*policies, *limits])

    def _access_key(
        self, data: object, here: Path, known: tuple[str, ...], owner: Principal, policies: list[CompiledPolicy]
    ) -> None:
        key = self._mapping(data, here, known)
        key_id, secret, expires_s = self._text(key, "id", here), self._text(key, "secret", here), None
        if not KEY_ID.fullmatch(key_id):
            self._add(here, "has no id, or one that is no access key id: letters, digits and _+=.@-, 128 at most")
        elif key_id in self._credentials:
            self._add((*here, "id"), f"the access key {key_id} is there twice")
        if len(secret) < MIN_SECRET:
            self._add(
                here, f"has no secret of {MIN_SECRET} characters or more", mend="Shorter ones are found by trying"
            )
        if "expires" in key:
            try:
                expires_s = parse_instant(str(key["expires"]))
            except ValueError:
                self._add((*here, "expires"), "is no time such as 2026-12-01T00:00Z")
        self._credentials[key_id] = Credentials(
            access_key_id=key_id, secret=secret, principal=owner, expires_s=expires_s,
            session_token=self._text(key, "token", here) or None,
            active=self._flag(key, "active", here, default=True), policies=(*policies, *self._limits),
        )  # fmt: skip

    def _policies(
        self, data: Mapping[str, Any], name: str, at: Path, kind: Kind, owner: str
    ) -> Iterator[CompiledPolicy]:
        for index, entry in enumerate(self._list(data, name, at)):
            here = (*at, name, index)
            policy = (
                self._managed_policy(entry, kind, here)
                if isinstance(entry, str)
                else self._inline(entry, kind, here, f"{owner}, policy {index + 1}")
            )
            if policy is not None:
                yield policy

    def _boundary(self, data: Mapping[str, Any], at: Path, owner: str) -> list[CompiledPolicy]:
        if "boundary" not in data:
            return []
        given, here = data["boundary"], (*at, "boundary")
        if isinstance(given, str):
            policy = self._managed_policy(given, "boundary", here)
        else:
            policy = self._inline(given, "boundary", here, f"boundary of {owner}")
        return [] if policy is None else [policy]

    def _managed_policy(self, name: str, kind: Kind, here: Path) -> CompiledPolicy | None:
        if name not in self._managed:
            self._add(here, f"there is no policy {name[:100]!r}", word=name, known=self._managed)
            return None
        if (name, kind) not in self._compiled:
            self._compiled[name, kind] = self._inline(self._managed[name], kind, ("policies", name), name)
        return self._compiled[name, kind]

    def _inline(self, document: object, kind: Kind, here: Path, name: str) -> CompiledPolicy | None:
        if not isinstance(document, Mapping):
            self._add(here, "is no policy", mend="Write the name of one under policies, or its document")
            return None
        compiled = compile_policy(document, name=name, kind=kind)
        if isinstance(compiled, CompiledPolicy):
            return compiled
        for problem in compiled:
            self._add(here, f"{problem.where}: {problem.what}", mend=problem.mend)
        return None

    def _in_organization(self) -> dict[str, Any]:
        return {"org_id": self._organization[0], "org_paths": self._organization[1]}

    def _path(self, data: Mapping[str, Any], at: Path) -> str:
        path = self._text(data, "path", at) or "/"
        if not (path.startswith("/") and path.endswith("/")):
            self._add((*at, "path"), "a path begins and ends with a slash")
        return path

    def _tags(self, data: Mapping[str, Any], at: Path) -> dict[str, str]:
        tags = self._mapping(data.get("tags", {}), (*at, "tags"))
        return {str(name): str(value) for name, value in tags.items()}

    def _mapping(self, data: object, at: Path, known: tuple[str, ...] | None = None) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            self._add(at, "is no mapping")
            return {}
        for key in data if known is not None else ():
            if key not in known:  # type: ignore[operator]  # there are known ones where this loop runs
                self._add((*at, str(key)), f"there is no setting {str(key)[:100]!r}", word=key, known=known or ())
        return data

    def _named(self, data: Mapping[str, Any], name: str, at: Path) -> dict[str, Any]:
        """A mapping whose keys are names of IAM."""
        given = self._mapping(data.get(name, {}), (*at, name))
        for key in given:
            if not _NAME.fullmatch(str(key)):
                self._add((*at, name, str(key)), "a name has letters, digits and _+=,.@-, 128 at most")
        return {str(key): value for key, value in given.items()}

    def _list(self, data: Mapping[str, Any], name: str, at: Path) -> list[Any]:
        given = data.get(name, [])
        if isinstance(given, (list, tuple)):
            return list(given)
        self._add((*at, name), "is no list")
        return []

    def _text(self, data: Mapping[str, Any], name: str, at: Path) -> str:
        given = data.get(name, "")
        if isinstance(given, str):
            return given
        self._add((*at, name), "is no text", mend="Write it in quotes")
        return ""

    def _flag(self, data: Mapping[str, Any], name: str, at: Path, *, default: bool) -> bool:
        given = data.get(name, default)
        if given in (True, "true", False, "false"):
            return given in (True, "true")
        self._add((*at, name), "is neither true nor false")
        return default

    def _add(self, path: Path, what: str, **more: Any) -> None:
        self.problems.add(self._locate(path), what, **more)


def _unique_id(prefix: str, arn: str) -> str:
    """A stable stand-in for the unique id that IAM gives: it depends on nothing but the ARN."""
    return prefix + base64.b32encode(sha256(arn.encode()).digest()).decode()[:17]
