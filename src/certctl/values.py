"""`NamedTuple`, made fast: what `typing.NamedTuple` gives, without compiling source text for each class.

A command that only looks loads more than fifty such classes, and `typing` takes 0.1 ms for each
(docs/decisions/0001). Type checkers see `typing.NamedTuple` itself.
"""

from __future__ import annotations

from collections import _tuplegetter  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - mypy takes this form as meant for export
else:
    _make = tuple.__new__
    _LACKING = object()

    class _Maker(type):
        """Turns the annotations of a class body into fields, and what is assigned to them into defaults."""

        def __new__(meta, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = tuple(body.get("__annotations__", ()))
            preset = tuple(body.pop(field, _LACKING) for field in fields)
            required = len(fields) - preset[::-1].index(_LACKING) if _LACKING in preset else 0
            if any(default is not _LACKING for default in preset[:required]):
                raise TypeError(f"{name}: a field without a default follows one with a default")
            for index, field in enumerate(fields):
                body[field] = _tuplegetter(index, None)
            body["__slots__"] = ()
            body["_fields"] = body["__match_args__"] = fields
            body["_field_defaults"] = dict(zip(fields[required:], preset[required:], strict=True))
            body["_preset"], body["_required"] = preset, required
            return type.__new__(meta, name, bases, body)

    class NamedTuple(tuple, metaclass=_Maker):
        """See `typing.NamedTuple`: a tuple whose items have names, types and, the last ones, defaults."""

        def __new__(cls, *args: Any, **named: Any) -> Any:
            given = len(args)
            if named:
                args += tuple(map(named.pop, cls._fields[given:], cls._preset[given:]))
                if named:
                    raise TypeError(f"{cls.__name__}: given twice, or not a field: {', '.join(named)}")
            elif given < len(cls._fields):
                args += cls._preset[given:]
            if len(args) != len(cls._fields) or _LACKING in args[given : cls._required]:
                raise TypeError(_complaint(cls, args))
            return _make(cls, args)

        @classmethod
        def _make(cls, items: Any) -> Any:
            return cls(*items)

        def _replace(self, **named: Any) -> Any:
            made = _make(self.__class__, map(named.pop, self._fields, self))
            if named:
                raise ValueError(f"{self.__class__.__name__} has no field called {', '.join(named)}")
            return made

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            inside = ", ".join(f"{field}={item!r}" for field, item in zip(self._fields, self, strict=True))
            return f"{self.__class__.__name__}({inside})"

    def _complaint(cls: Any, items: tuple[Any, ...]) -> str:
        if len(items) > len(cls._fields):
            return f"{cls.__name__} has {len(cls._fields)} fields, and {len(items)} were given"
        lacking = [field for field, item in zip(cls._fields, items, strict=True) if item is _LACKING]
        return f"{cls.__name__} lacks {', '.join(lacking)}"
