"""Values over a pipe: plain JSON on the way, and the annotated type at its end, or nothing.

Whoever reads does not trust who wrote: a value is built only as its annotation says,
unlike with pickle, which makes whatever the other side asks for.

A frame is four bytes of length, then JSON; one more byte carries descriptors, where there are any.
"""

from __future__ import annotations

import base64
import collections.abc
import json
import socket
import struct
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

LARGEST = 16 << 20
"""Bytes of a frame."""
_SCALARS = (str, int, bool, type(None))
_MANY = {tuple: tuple, list: list, set: set, frozenset: frozenset, collections.abc.Sequence: tuple,
         collections.abc.Collection: tuple, collections.abc.Iterable: tuple}  # fmt: skip


def plain(value: Any) -> Any:
    """*value* as what json.dumps takes: bytes as base64, moments as ISO 8601, tuples as lists.

    Raises TypeError for anything that has no such form.
    """
    if isinstance(value, (*_SCALARS, float)):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no plain form")


def build(kind: Any, value: Any) -> Any:
    """What `plain` made of a value of the type *kind*. Raises ValueError where it is anything else."""
    if kind is Any or kind is object:
        return value
    if kind is None or kind in _SCALARS:
        wanted = type(None) if kind is None else kind
        if type(value) is wanted:
            return value
    elif kind is float and type(value) in (float, int):
        return float(value)
    elif kind is bytes and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    elif kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    elif hasattr(kind, "_fields"):
        hints = _hints(kind)
        if isinstance(value, list) and len(value) == len(kind._fields):
            return kind(*(build(hints[name], item) for name, item in zip(kind._fields, value, strict=True)))
    elif typing.is_typeddict(kind) and isinstance(value, dict):
        hints = _hints(kind)
        if value.keys() == hints.keys():
            return {name: build(hints[name], item) for name, item in value.items()}
    else:
        return _generic(kind, value)
    raise ValueError(f"a {type(value).__name__} came where a {_name(kind)} was due")


def _generic(kind: Any, value: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        for one in inner:
            try:
                return build(one, value)
            except ValueError:
                continue
    elif origin is tuple and isinstance(value, list) and inner[-1:] != (...,):
        if len(value) == len(inner):
            return tuple(build(one, item) for one, item in zip(inner, value, strict=True))
    elif origin in _MANY and isinstance(value, list):
        return _MANY[origin](build(inner[0], item) for item in value)
    elif origin in (dict, collections.abc.Mapping) and isinstance(value, dict):
        return {name: build(inner[1], item) for name, item in value.items()}
    raise ValueError(f"a {type(value).__name__} came where a {_name(kind)} was due")


def arguments(function: Callable[..., Any], values: Any) -> dict[str, Any]:
    """The arguments for *function*, by name, from their plain forms. Raises ValueError."""
    hints = _hints(function)
    if not isinstance(values, dict) or not values.keys() <= hints.keys() - {"return"}:
        raise ValueError(f"{function.__name__} takes other arguments")
    return {name: build(hints[name], value) for name, value in values.items()}


def result(function: Callable[..., Any], value: Any) -> Any:
    """What *function* returned, from its plain form. Raises ValueError."""
    return build(_hints(function)["return"], value)


@cache
def _hints(owner: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(owner)


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


def send(connection: socket.socket, frame: dict[str, Any]) -> None:
    data = json.dumps(frame, separators=(",", ":")).encode()
    connection.sendall(struct.pack(">I", len(data)) + data)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next frame; None at the end. Raises OSError, ValueError."""
    head = _exactly(connection, 4)
    if head is None:
        return None
    (length,) = struct.unpack(">I", head)
    if length > LARGEST:
        raise ValueError("a frame is too large")
    data = _exactly(connection, length)
    if data is None:
        return None
    frame = json.loads(data)
    if not isinstance(frame, dict):
        raise ValueError("a frame is no object")  # noqa: TRY004  # the other side's fault, not a caller's
    return frame


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(min(length - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)
