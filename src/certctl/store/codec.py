"""State as JSON and back: strict, so that a file that was cut or edited is noticed, not believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar

from certctl.planning.state import (
    Advice,
    CertificateRecord,
    CertificateState,
    DhparamState,
    Failure,
    Generation,
    HookState,
    Issuance,
    KeyRecord,
    Observation,
    Wait,
)
from certctl.planning.times import parse_rfc3339, rfc3339
from certctl.x509 import ALGORITHMS

VERSION = 1
_LARGEST = 10**12
"""No count and no number of seconds is larger."""
_FIRST_YEAR = 1900
T = TypeVar("T")


class MalformedError(ValueError):
    """The JSON does not have the shape of what certctl writes."""


def encode_certificate(state: CertificateState) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": state.name,
        **{slot: _maybe(_generation_out, state.slot(slot)) for slot in ("current", "next", "previous")},
        "retired": list(state.retired),
        "aside": {str(number): rfc3339(at) for number, at in state.aside.items()},
        "last_number": state.last_number,
        "rotation": state.rotation,
        "renewal_wanted": state.renewal_wanted,
        "rollback_wanted": state.rollback_wanted,
        "held": state.held,
        "failures": [_failure_out(failure) for failure in state.failures],
        "unproved": state.unproved,
        "waiting": _maybe(_wait_out, state.waiting),
    }


def decode_certificate(data: Any, name: str) -> CertificateState:
    """Raises MalformedError."""
    top = _dict(data)
    if top.get("version") != VERSION:
        raise MalformedError(f"version {top.get('version')!r} is not {VERSION}")
    if top.get("name") != name:
        raise MalformedError(f"it is of {top.get('name')!r}")
    state = CertificateState(
        name,
        _maybe(_generation_in, top.get("current")),
        _maybe(_generation_in, top.get("next")),
        _maybe(_generation_in, top.get("previous")),
        retired=tuple(_number(n) for n in _of(list, top.get("retired", []))),
        aside={_numeral(n): _instant(at) for n, at in _dict(top.get("aside", {})).items()},
        last_number=_number(top.get("last_number", 0)),
        rotation=_of(str, top.get("rotation", "")),
        renewal_wanted=_of(bool, top.get("renewal_wanted", False)),
        rollback_wanted=_of(bool, top.get("rollback_wanted", False)),
        held=_maybe(_text, top.get("held")),
        failures=_failures_in(top.get("failures")),
        waiting=_maybe(_wait_in, top.get("waiting")),
        unproved=_text(top.get("unproved", "")),
    )
    if state.unproved not in ("", "promotion", "renewal", "rollback"):
        raise MalformedError(f"unproved is {state.unproved!r}")
    if state.rotation not in ("", "wanted", "forced"):
        raise MalformedError(f"rotation is {state.rotation!r}")
    if any(slot is not None and not slot.issuance for slot in (state.current, state.previous)):
        raise MalformedError("a generation is served, or was, that was never issued for")
    numbers = [slot.number for slot in (state.current, state.next, state.previous) if slot]
    numbers += state.retired
    possible = all(0 < number <= state.last_number for number in numbers)
    if len(set(numbers)) != len(numbers) or not possible:
        raise MalformedError("its generations have impossible numbers")
    return state


def encode_hook(state: HookState) -> dict[str, Any]:
    return {
        "delivered": dict(state.delivered),
        "last_run": _moment_out(state.last_run),
        "exit_status": state.exit_status,
        "output": state.output,
        "attempts": state.attempts,
        "retry_at": _moment_out(state.retry_at),
        "basis": state.basis,
    }


def decode_hook(data: Any, name: str) -> HookState:
    top = _dict(data)
    return HookState(
        name,
        {path: _text(digest) for path, digest in _dict(top.get("delivered", {})).items()},
        _moment(top.get("last_run")),
        _maybe(_number, top.get("exit_status")),
        _text(top.get("output", "")),
        _number(top.get("attempts", 0)),
        _moment(top.get("retry_at")),
        _text(top.get("basis", "")),
    )


def encode_dhparam(state: DhparamState) -> dict[str, Any]:
    return {
        "sha256": state.sha256,
        "bits": state.bits,
        "source": state.source,
        "made_at": _moment_out(state.made_at),
        "failures": [_failure_out(failure) for failure in state.failures],
    }


def decode_dhparam(data: Any, name: str) -> DhparamState:
    top = _dict(data)
    return DhparamState(
        name,
        _text(top.get("sha256", "")),
        _number(top.get("bits", 0)),
        _text(top.get("source", "")),
        _moment(top.get("made_at")),
        _failures_in(top.get("failures")),
    )


def _generation_out(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "made_at": rfc3339(generation.made_at),
        "promoted_at": _moment_out(generation.promoted_at),
        "rotates_from": _moment_out(generation.rotates_from),
        "issuance": generation.issuance,
        "issued_at": _moment_out(generation.issued_at),
        "issued_by": generation.issued_by,
        "names": list(generation.names),
        "seen": {
            n: {"at": rfc3339(s.at), "wait": s.wait, "place": s.place} for n, s in generation.seen.items()
        },
        "acks": {peer: rfc3339(at) for peer, at in generation.acks.items()},
        "advice": _maybe(_advice_out, generation.advice),
        "ask_advice_at": _moment_out(generation.ask_advice_at),
        "before": _maybe(_issuance_out, generation.before),
        "highest": generation.highest,
        "compromised": generation.compromised,
        "keys": [_key_out(key) for key in generation.keys],
    }


def _generation_in(data: Any) -> Generation:
    top = _dict(data)
    try:
        generation = Generation(
            number=_number(top["number"]),
            made_at=_instant(top["made_at"]),
            keys=tuple(_key_in(key) for key in _of(list, top["keys"])),
            promoted_at=_moment(top.get("promoted_at")),
            rotates_from=_moment(top.get("rotates_from")),
            issuance=_number(top["issuance"]),
            issued_at=_moment(top.get("issued_at")),
            issued_by=_maybe(_text, top.get("issued_by")),
            names=tuple(_text(name) for name in _of(list, top["names"])),
            seen={n: _observation_in(s) for n, s in _dict(top.get("seen", {})).items()},
            acks={peer: _instant(at) for peer, at in _dict(top.get("acks", {})).items()},
            advice=_maybe(_advice_in, top.get("advice")),
            ask_advice_at=_moment(top.get("ask_advice_at")),
            before=_maybe(_issuance_in, top.get("before")),
            highest=_number(top.get("highest", 0)),
            compromised=_of(bool, top.get("compromised", False)),
        )
    except KeyError as error:
        raise MalformedError(f"a generation lacks {error.args[0]!r}") from error
    if not generation.keys or generation.number < 1 or generation.issuance < 0:
        raise MalformedError("a generation has no keys or an impossible number")
    if len(set(generation.algorithms)) != len(generation.keys):
        raise MalformedError("a generation has two keys of one algorithm")
    if generation.before and len(generation.before.certificates) != len(generation.keys):
        raise MalformedError("a generation has earlier certificates for some keys only")
    if bool(generation.issuance) != all(key.certificate for key in generation.keys):
        raise MalformedError("a generation has certificates for some keys only")
    return generation


def _key_out(key: KeyRecord) -> dict[str, Any]:
    out = {name: getattr(key, name) for name in ("algorithm", "sha256", "sha1", "md5")}
    out["certificate"] = _maybe(_record_out, key.certificate)
    return out


def _record_out(record: CertificateRecord) -> dict[str, Any]:
    return {
        **{name: getattr(record, name) for name in ("sha256", "sha1", "md5", "serial")},
        "not_before": rfc3339(record.not_before),
        "not_after": rfc3339(record.not_after),
    }


def _key_in(data: Any) -> KeyRecord:
    top = _dict(data)
    try:
        record = _maybe(_record_in, top.get("certificate"))
        algorithm, sha256 = _text(top["algorithm"]), _text(top["sha256"])
        # It is part of a path.
        if algorithm not in ALGORITHMS:
            raise MalformedError(f"{algorithm!r} is no algorithm")
        return KeyRecord(algorithm, sha256, _text(top["sha1"]), _text(top["md5"]), record)
    except (KeyError, TypeError) as error:
        raise MalformedError(f"a key lacks {error}") from error


def _record_in(data: Any) -> CertificateRecord:
    cert = _dict(data)
    return CertificateRecord(
        _text(cert["sha256"]),
        _text(cert["sha1"]),
        _text(cert["md5"]),
        _text(cert["serial"]),
        _instant(cert["not_before"]),
        _instant(cert["not_after"]),
    )


def _issuance_out(issuance: Issuance) -> dict[str, Any]:
    return {
        "number": issuance.number,
        "issued_at": _moment_out(issuance.issued_at),
        "issued_by": issuance.issued_by,
        "names": list(issuance.names),
        "certificates": [_record_out(record) for record in issuance.certificates],
    }


def _issuance_in(data: Any) -> Issuance:
    top = _dict(data)
    try:
        return Issuance(
            _number(top["number"]),
            _moment(top.get("issued_at")),
            _maybe(_text, top.get("issued_by")),
            tuple(_text(name) for name in _of(list, top["names"])),
            tuple(_record_in(record) for record in _of(list, top["certificates"])),
        )
    except KeyError as error:
        raise MalformedError(f"an issuance lacks {error.args[0]!r}") from error


def _advice_out(advice: Advice) -> dict[str, Any]:
    moments = ("renew_at", "window_start", "window_end", "check_at")
    return {
        **{name: rfc3339(getattr(advice, name)) for name in moments},
        "explanation_url": advice.explanation_url,
    }


def _advice_in(data: Any) -> Advice:
    top = _dict(data)
    return Advice(
        _instant(top.get("renew_at")),
        _instant(top.get("window_start")),
        _instant(top.get("window_end")),
        _instant(top.get("check_at")),
        _maybe(_text, top.get("explanation_url")),
    )


def _observation_in(data: Any) -> Observation:
    top = _dict(data)
    wait = top.get("wait", 0.0)
    if not isinstance(wait, int | float) or not 0 <= wait <= _LARGEST:
        raise MalformedError(f"{wait!r} is no number of seconds")
    return Observation(_instant(top.get("at")), float(wait), _text(top.get("place", "")))


def _wait_in(data: Any) -> Wait:
    top = _dict(data)
    return Wait(_text(top.get("reason")), _text(top.get("basis")), _maybe(_instant, top.get("until")))


def _wait_out(wait: Wait) -> dict[str, Any]:
    return {**wait._asdict(), "until": _moment_out(wait.until)}


def _failure_out(failure: Failure) -> dict[str, Any]:
    return {**failure._asdict(), "at": rfc3339(failure.at), "retry_at": _moment_out(failure.retry_at)}


def _failures_in(data: Any) -> tuple[Failure, ...]:
    return tuple(_failure_in(item) for item in _of(list, data or []))


def _failure_in(data: Any) -> Failure:
    top = _dict(data)
    return Failure(
        _text(top.get("kind")),
        _text(top.get("subject")),
        _text(top.get("message")),
        _maybe(_text, top.get("hint")),
        _instant(top.get("at")),
        _number(top.get("attempts", 1)),
        _moment(top.get("retry_at")),
        _text(top.get("basis", "")),
    )


def _moment_out(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _moment(text: Any) -> datetime | None:
    return None if text is None else _instant(text)


def _instant(text: Any) -> datetime:
    try:
        moment = parse_rfc3339(text)
        if moment.tzinfo is not timezone.utc:
            moment = moment.astimezone(timezone.utc)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise MalformedError(f"{text!r} is no time") from error
    if moment.year < _FIRST_YEAR:
        raise MalformedError(f"{text!r} was before there were certificates")
    return moment


def _maybe(convert: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else convert(value)


def _of(kind: type[T], value: Any) -> T:
    if not isinstance(value, kind):
        raise MalformedError(f"{value!r} is no {kind.__name__}")
    return value


def _text(value: Any) -> str:
    text = _of(str, value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedError(f"{text!r} holds half a character") from error
    return text


def _number(value: Any) -> int:
    if isinstance(value, bool) or not -_LARGEST <= _of(int, value) <= _LARGEST:
        raise MalformedError(f"{value!r} is no number")
    return _of(int, value)


def _numeral(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise MalformedError(f"{text!r} is no number")
    return int(text)


def _dict(value: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = _of(dict, value)
    for name in found:
        if not name.isascii():
            _text(name)
    return found
