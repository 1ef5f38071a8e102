"""A CA that fails: in every way, at each request of an order in turn.

Whatever goes wrong, the order ends with a certificate, in this process or in the next, and with one only.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from certctl.errors import CertctlError
from tests.fault import acme_proxy as faults
from tests.fault.acme_proxy import Exchange, Fault, Proxy, Reply, pebble_behind_proxy, the_nth
from tests.real.acme_world import World, account, checked

COUNTED = "hostile inputs"

AT_MOST = 40


class FaultyWorld(NamedTuple):
    world: World
    proxy: Proxy

    def options(self) -> dict[str, object]:
        return {"directory": self.proxy.directory_url, "ca_file": self.proxy.ca_file, "timeout": 2.0}


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyWorld]:
    """Pebble with every tenth nonce rejected, and no Retry-After of its own, behind the proxy."""
    with pebble_behind_proxy(nonce_reject=10) as both:
        yield FaultyWorld(World(both.pebble, both.directory), both.proxy)


EVERYWHERE = [
    faults.drop,
    faults.lose,
    faults.internal_error,
    faults.bare_error,
    faults.unavailable_seconds,
    faults.unavailable_date,
    faults.limited_seconds,
    faults.limited_date,
    faults.html,
    faults.empty,
    faults.cut,
    faults.torn,
    faults.slow,
    faults.foreign,
    faults.leaf_only,
]


@pytest.mark.parametrize("fault", EVERYWHERE, ids=lambda fault: fault.__name__)
def test_each_request_in_turn(faulty: FaultyWorld, fault: Fault) -> None:
    """One request of an order fails; the next process goes on with that order: one certificate is made."""
    options = {**faulty.options(), "timeout": 0.4} if fault is faults.slow else faulty.options()
    for number in range(AT_MOST):
        label = f"{fault.__name__.replace('_', '-')}-{number}"
        request = faulty.world.request(f"{label}.example.test", certificate=label)
        faulty.proxy.reset(fault, the_nth(number))
        try:
            checked(faulty.world.issuer(f"issuers/{label}", **options).issue(request), request)
        except CertctlError as error:
            assert len(faulty.proxy.requests) > number
            if faulty.proxy.requests[number] != "/nonce-plz":  # a HEAD, which has no body
                _tells(error, fault)
            if error.retry_after:
                os.unlink(os.path.join(faulty.world.directory, f"issuers/{label}/pause.json"))  # it is over
            checked(faulty.world.issuer(f"issuers/{label}", **options).issue(request), request)
        assert faulty.proxy.count("/finalize-order/") == 1, label
        hit = faulty.proxy.requests[number] if len(faulty.proxy.requests) > number else ""
        assert faulty.proxy.count("/order-plz") == 1 or hit == "/order-plz", label
        if not hit:
            return
    raise AssertionError("the conversation never ended")


def _tells(error: CertctlError, fault: Fault) -> None:
    """The message has the CA's own words, and its wish is there."""
    assert error.transient, error
    if "unavailable" in fault.__name__ or "limited" in fault.__name__:
        assert faults.WORDS in error.message
        assert error.retry_after is not None
        assert faults.PAUSE - 3 < error.retry_after <= faults.PAUSE
    elif fault is faults.internal_error:
        assert faults.WORDS in error.message
    elif fault is faults.html:
        assert "Please log in" in error.message


@pytest.mark.parametrize("fault", [faults.limited_seconds, faults.unavailable_date], ids=lambda f: f.__name__)
def test_pause(faulty: FaultyWorld, fault: Fault) -> None:
    """While a CA wants a pause, no other order reaches it, of this process or the next; another CA's may."""
    label = f"pause-{fault.__name__.replace('_', '-')}"
    issuer = faulty.world.issuer(f"issuers/{label}", **faulty.options())
    faulty.proxy.reset(fault, lambda _, path: path == "/order-plz")
    with pytest.raises(CertctlError, match=faults.WORDS):
        issuer.issue(faulty.world.request(f"{label}.example.test", certificate=label))
    seen = len(faulty.proxy.requests)
    for asked in (issuer, faulty.world.issuer(f"issuers/{label}", **faulty.options())):
        with pytest.raises(CertctlError, match=f"asked for a pause.*{faults.WORDS}") as caught:
            asked.issue(faulty.world.request("other.example.test", certificate=f"{label}-other"))
        assert len(faulty.proxy.requests) == seen
        assert caught.value.retry_after is not None
        assert 0 < caught.value.retry_after <= faults.PAUSE
    elsewhere = faulty.world.issuer(f"issuers/{label}", ca_file=faulty.world.pebble.ca_file)
    other = faulty.world.request("elsewhere.example.test", certificate=f"{label}-elsewhere")
    checked(elsewhere.issue(other), other)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.html, "Please log in"),
        (faults.empty, "an empty body"),
        (faults.cut, "of no use"),
        (faults.foreign, "none of 2 certificates is for the key"),
        (faults.leaf_only, "is missing"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_certificate_that_is_none(faulty: FaultyWorld, fault: Fault, words: str) -> None:
    """What is no certificate of ours is never returned; the order is asked again, in the end given up."""
    label = f"none-{fault.__name__.replace('_', '-')}"
    request = faulty.world.request(f"{label}.example.test", certificate=label)
    faulty.proxy.reset(fault, lambda _, path: path.startswith("/certZ/"))
    for passes in range(3):
        with pytest.raises(CertctlError, match=words):
            faulty.world.issuer(f"issuers/{label}", **faulty.options()).issue(request)
        assert faulty.proxy.count("/finalize-order/") == 1
        assert (os.listdir(request.work_dir) == []) == (passes == 2)
    faulty.proxy.reset()
    checked(faulty.world.issuer(f"issuers/{label}", **faulty.options()).issue(request), request)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.other_name, "'bank.example.test', which was not ordered"),
        (faults.other_kind, r"'127\.0\.0\.1', which was not ordered"),
        (faults.wildcard, r"'\*\.wildcard\.example\.test', which was not ordered"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_authorization_for_something_else(faulty: FaultyWorld, fault: Fault, words: str) -> None:
    """Nothing is proved, and the CA is not told to look; the next order is a new one, and succeeds."""
    label = fault.__name__.replace("_", "-")
    request = faulty.world.request(f"{label}.example.test", certificate=label)
    faulty.proxy.reset(fault, lambda _, path: path.startswith("/authZ/"))
    with pytest.raises(CertctlError, match=words):
        faulty.world.issuer(f"issuers/{label}", **faulty.options()).issue(request)
    assert not any("chalZ" in path for path in faulty.proxy.requests)
    assert os.listdir(request.work_dir) == [], "the order is not gone on with"
    faulty.proxy.reset()
    checked(faulty.world.issuer(f"issuers/{label}", **faulty.options()).issue(request), request)


def test_authorizations_without_end(faulty: FaultyWorld) -> None:
    """An order for one name with three thousand authorizations: none of them is asked for."""
    request = faulty.world.request("many.example.test", certificate="many")
    faulty.proxy.reset(faults.many_authorizations, lambda _, path: path == "/order-plz")
    with pytest.raises(CertctlError, match="wants 3000 authorizations for an order of 1 names"):
        faulty.world.issuer("issuers/many", **faulty.options()).issue(request)
    assert not any("authZ" in path for path in faulty.proxy.requests)


def test_link_header_without_end(faulty: FaultyWorld) -> None:
    """A certificate that comes with a Link header of 60,000 brackets is there as soon as any other."""
    request = faulty.world.request("links.example.test", certificate="links")
    faulty.proxy.reset(faults.endless_link, lambda _, path: path.startswith("/certZ/"))
    issuer = faulty.world.issuer("issuers/links", **faulty.options(), preferred_chain="none has it")
    began = time.process_time()
    checked(issuer.issue(request), request)
    assert time.process_time() - began < 20


def test_packed(faulty: FaultyWorld) -> None:
    """A body that is said to be compressed is not unpacked."""
    faulty.proxy.reset(faults.packed, lambda *_: True)
    with pytest.raises(CertctlError, match="nobody asked for"):
        faulty.world.issuer("issuers/packed", **faulty.options()).issue(
            faulty.world.request("packed.example.test", certificate="packed")
        )


class Leisurely:
    """A CA that is not done when it is first asked, and says when to ask again."""

    def __init__(self) -> None:
        self.left = {"authZ": "pending", "finalize-order": "processing", "my-order": "processing"}
        self.too_early: list[str] = []
        self._until: dict[str, float] = {}

    def answer(self, exchange: Exchange) -> Reply:
        kind = exchange.path.split("/")[1]
        if time.monotonic() < self._until.get(kind, 0.0):
            self.too_early.append(exchange.path)
        reply = exchange.forward()
        answered = kind != "authZ" or b'"valid"' in reply.body
        if reply.status >= 300 or kind not in self.left or not answered:
            return reply
        self._until["my-order" if kind == "finalize-order" else kind] = time.monotonic() + 1.0
        document = {**json.loads(reply.body), "status": self.left.pop(kind)}
        headers = [*reply.headers, ("Retry-After", "1")]
        return reply._replace(body=json.dumps(document).encode(), headers=headers)


def test_retry_after_of_what_is_not_done(faulty: FaultyWorld) -> None:
    """Authorization, request for the certificate, order: none is asked for again before its Retry-After."""
    ca = Leisurely()
    request = faulty.world.request("leisurely.example.test", certificate="leisurely")
    faulty.proxy.reset(ca.answer, lambda *_: True)
    checked(faulty.world.issuer("issuers/leisurely", **faulty.options()).issue(request), request)
    assert ca.left == {}, "each of them was told to wait once"
    assert ca.too_early == []


class Together:
    """Passes requests on once *count* different ones have come; they would wait for ever for one another."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._came: set[bytes] = set()
        self._changed = threading.Condition()

    def answer(self, exchange: Exchange) -> Reply:
        with self._changed:
            # Each tells of its own by path or content; what is sent again for its nonce is no other one.
            self._came.add(exchange.path.encode() + json.dumps(exchange.payload).encode())
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: len(self._came) >= self._count, 30), self._came
        return exchange.forward()


def test_names_of_an_order_are_answered_at_once(faulty: FaultyWorld) -> None:
    """The CA hears of the second and third challenge before it has answered to the first."""
    names = [f"{word}.together.example.test" for word in ("a", "b", "c")]
    request = faulty.world.request(*names, certificate="together")
    faulty.proxy.reset(Together(3).answer, lambda _, path: "chalZ" in path)
    issuer = faulty.world.issuer("issuers/together", **faulty.options() | {"timeout": 60.0})
    checked(issuer.issue(request), request)


def test_certificates_are_ordered_at_once(faulty: FaultyWorld) -> None:
    """Three orders over one account overlap."""
    issuer = faulty.world.issuer("issuers/overlap", **faulty.options() | {"timeout": 60.0})
    account(issuer)
    faulty.proxy.reset(Together(3).answer, lambda _, path: "order-plz" in path)
    requests = [
        faulty.world.request(f"{word}.overlap.example.test", certificate=f"overlap-{word}")
        for word in ("a", "b", "c")
    ]
    with ThreadPoolExecutor(3) as pool:
        for issued, request in zip(pool.map(issuer.issue, requests), requests, strict=True):
            checked(issued, request)


def test_dead_ca_is_one_wait_for_all(faulty: FaultyWorld) -> None:
    """Nobody listens: the address and the system's words are in the message."""
    issuer = faulty.world.issuer("issuers/dead", directory="https://localhost:1/dir")
    for name in ("a", "b"):
        with pytest.raises(CertctlError, match="no answer from localhost:1: connection refused"):
            issuer.issue(faulty.world.request(f"{name}.example.test", certificate=f"dead-{name}"))


def test_untrusted_server(faulty: FaultyWorld) -> None:
    """A server whose certificate is not trusted is named as such, with ca_file as the remedy."""
    for ca_file, remedy in (("", "set ca_file"), (faulty.world.pebble.ca_file, "look at what")):
        issuer = faulty.world.issuer(
            "issuers/untrusted", directory=faulty.proxy.directory_url, ca_file=ca_file
        )
        with pytest.raises(CertctlError, match="is not trusted") as caught:
            issuer.issue(faulty.world.request("u.example.test", certificate="untrusted"))
        assert remedy in str(caught.value.hint)
