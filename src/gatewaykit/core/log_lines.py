"""Lines of access logs, read back: what is needed to count them.

Forms: API Gateway's own (developer guide, "Set up CloudWatch logging": CLF, JSON, XML, CSV), which are those of
`core.access_log`; the common and combined log formats of Apache and nginx; JSON logs that name their fields as nginx,
API Gateway and many libraries do. A line says for itself which form it has.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from html import unescape
from typing import Any, Final, NamedTuple

from gatewaykit.units import parse_instant

__all__ = ["LogLine", "read_line"]


class LogLine(NamedTuple):
    """One request. A text is "" where the line does not say. `fine` is whether the time says parts of a second."""

    at_s: float
    fine: bool
    address: str
    user: str
    key: str
    method: str
    path: str
    status: str
    fields: Mapping[str, Any]

    def field(self, name: str) -> str:
        """A field of a JSON or XML line, by its own name."""
        return _text(self.fields.get(name))


def read_line(line: str) -> LogLine | str:
    """The request that a line is about, or what is wrong with the line."""
    text = line.strip()
    if text.startswith("{"):
        return _json(text)
    if text.startswith("<"):
        found = _XML.findall(text)
        return _named({name: unescape(value) for name, value in found}) if found else "no elements that can be read"
    if match := _CLF.match(text):
        address, user, time, request, status = match.groups()
        method, _, rest = request.partition(" ")
        path = rest.rpartition(" ")[0] or rest
        return _line(time, (address, user, "", method, path, status), {})
    return _csv(text)


# ---------------------------------------------------------------------------------------------------- forms

_CLF: Final = re.compile(r'(\S+) \S+ (.+?) \[([^\[\]]{20,40})\] "((?:[^"\\]|\\.)*)" (\d{3}|-)(?: |$)')
_XML: Final = re.compile(r"<([A-Za-z][\w.-]*)>([^<]*)</\1>")
_COLUMNS: Final = 11
"""Of API Gateway's CSV: ip, caller, user, time, method, path, protocol, status, length, two ids."""

_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "time": (
        "requestTimeEpoch", "msec", "requestTime", "time_iso8601", "time_local", "time", "timestamp", "@timestamp",
        "ts",
    ),
    "address": ("ip", "sourceIp", "remote_addr", "client_ip", "clientIp", "remote_ip", "address"),
    "user": ("user", "principalId", "remote_user", "sub"),
    "key": ("apiKeyId", "apiKey", "api_key", "key"),
    "method": ("httpMethod", "method", "request_method"),
    "path": ("resourcePath", "routeKey", "path", "request_uri", "uri"),
    "status": ("status",),
}  # fmt: skip
"""What a field of JSON and XML lines may be called; of several the first that has a value."""


def _json(text: str) -> LogLine | str:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):  # also a number of too many digits
        return "no JSON"
    return _named(fields) if isinstance(fields, dict) else "no JSON object"  # pragma: no branch - it begins with a {


def _named(fields: Mapping[str, Any]) -> LogLine | str:
    found = [_first(fields, names) for names in _NAMES.values()]
    return _line(found[0], found[1:], fields)


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        if name in fields and (text := _text(fields[name])):
            return text
    return ""


def _csv(text: str) -> LogLine | str:
    try:
        cells = next(csv.reader([text])) if '"' in text else text.split(",")
    except csv.Error:
        return "no line of an access log"
    if len(cells) != _COLUMNS:
        return "no line of an access log"
    address, _, user, time, method, path, _, status, *_ = cells
    return _line(time, (address, user, "", method, path, status), {})


def _line(time: str, texts: Sequence[str], fields: Mapping[str, Any]) -> LogLine | str:
    at_s = _instant_s(time)
    if at_s is None:
        return "no time" if not time or time == "-" else "a time that is none"
    address, user, key, method, path, status = ("" if text == "-" else text for text in texts)
    return LogLine(at_s, at_s % 1 != 0, address, user, key, method, path.partition("?")[0], status, fields)


def _text(value: object) -> str:
    if isinstance(value, str):
        return "" if value == "-" else value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


# ---------------------------------------------------------------------------------------------------- times

_NUMBER: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9})?")
_LAST_S: Final = 253_370_764_800.0  # 9999-01-01: what a calendar has
_PARTS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0.0, 1.0))
"""From what number on it counts nano-, micro- or milliseconds: 1e11 is the year 5138 in seconds, else 1973."""


@lru_cache(maxsize=256)  # neighbours are mostly of the same second, and to read one takes longer than all the rest
def _instant_s(text: str) -> float | None:
    """Seconds since 1970 of a number (seconds, or a thousandth, …, of them), a CLF time or an ISO 8601 one."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        at_s = number / next(parts for least, parts in _PARTS if number >= least)
    else:
        try:
            at_s = parse_instant(text) if text[2:3] != "/" else datetime.strptime(text, _CLF_TIME).timestamp()
        except (ValueError, OverflowError):
            return None
    return at_s if 0 <= at_s < _LAST_S else None


_CLF_TIME: Final = "%d/%b/%Y:%H:%M:%S %z"
