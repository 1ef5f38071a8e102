"""Configured files and live/NAME: what is wrong with them, and bringing them to what they should be."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from certctl.core.bundle import Material, issuance_files, render
from certctl.core.model import Generation
from certctl.core.observed import FileSeen
from certctl.core.spec import CertificateSpec, FileSpec
from certctl.errors import CertctlError, StateError
from certctl.ports import Prepared
from certctl.store import atomic, generations, outputs
from certctl.store.layout import LIVE_FILES, Layout
from certctl.store.stamps import Stamps


class Files:
    """The files that certificates are served from."""

    def __init__(self, layout: Layout, stamps: Stamps) -> None:
        self._layout = layout
        self._stamps = stamps

    def unserved(self, cert: CertificateSpec) -> list[FileSeen]:
        """The same files before there is anything to serve: nothing is wrong with them yet."""
        live = FileSeen(self._layout.live(cert.name), None, cert.hooks)
        return [live, *(FileSeen(file.path, None, file.hooks) for file in cert.files)]

    def observe(self, cert: CertificateSpec, current: Generation) -> list[FileSeen]:
        """live/NAME, then the configured files. Raises StateError where the certificates are lost."""
        sources = _Sources(self._layout, cert.name, current)
        live = self._observe_live(cert, current, sources)
        return [live, *(self._observe_output(file, sources) for file in cert.files)]

    def _observe_live(self, cert: CertificateSpec, current: Generation, sources: _Sources) -> FileSeen:
        path = self._layout.live(cert.name)
        wanted = self._layout.live_target(cert.name, current.number, current.issuance)
        issued = self._layout.issuance(cert.name, current.number, current.issuance)
        problem = _link_problem(path, wanted)
        for name, mode in _live_names(current):
            target = outputs.Target(os.path.join(issued, name), mode)
            wrong, _ = self.compare(target, f"{sources.token}:{name}", partial(sources.live, name))
            if wrong and problem is None:
                problem = f"({name}) {wrong}"
        for key in current.keys:
            file = self._layout.key(cert.name, current.number, key.algorithm)
            wrong = outputs.attributes_problem(outputs.Target(file, 0o600), outputs.lstat(file))
            if wrong and problem is None:
                problem = f"comes from {file}, which {wrong}"
        return FileSeen(path, problem, cert.hooks, f"{current.number}.{current.issuance}")

    def _observe_output(self, file: FileSpec, sources: _Sources) -> FileSeen:
        try:
            wanted = _target(file)
        except CertctlError as error:
            return FileSeen(file.path, f"cannot be written: {error.message}", file.hooks)
        token = sources.file_token(file)
        problem, digest = self.compare(
            wanted, token, lambda: render(file.parts, sources.materials(), file.algorithm)
        )
        return FileSeen(file.path, problem, file.hooks, digest)

    def compare(
        self,
        wanted: outputs.Target,
        token: str,
        content: Callable[[], bytes | None],
        what: str = "the current certificate",
    ) -> tuple[str | None, str | None]:
        """What is wrong with a file, and the digest of what is there.

        *content* gives what it should hold (None: it should not be there), and is
        asked only where the stamp does not vouch for *token*.
        """
        info = outputs.lstat(wanted.path)
        digest = self._stamps.digest(wanted.path, info, token)
        if digest is not None:
            return (None, None) if info is None else (outputs.attributes_problem(wanted, info), digest)
        problem = outputs.attributes_problem(wanted, info)
        data = outputs.read(wanted.path)
        digest = None if data is None else _sha256(data)
        try:
            right = content()
        except StateError:
            raise
        except CertctlError as error:
            return problem or f"cannot be made: {error.message}", digest
        if right == data:
            self._stamps.record(wanted.path, info, token, digest or "-")
            return (None, None) if info is None and right is None else (problem, digest)
        if data is None or problem is not None:
            return problem or "cannot be read", digest
        return ("is empty" if not data else f"does not hold {what}"), digest

    def prepare(self, cert: CertificateSpec, current: Generation, path: str) -> Prepared:
        """What brings *path* (live/NAME or a configured file) to the current generation."""
        sources = _Sources(self._layout, cert.name, current)
        if path == self._layout.live(cert.name):
            digest = f"{current.number}.{current.issuance}"
            return Prepared(path, digest, lambda: self._write_live(cert, current, sources))
        file = next(file for file in cert.files if file.path == path)
        data = render(file.parts, sources.materials(), file.algorithm)
        target, token = _target(file), sources.file_token(file)
        return Prepared(path, _sha256(data), lambda: self.write(target, data, token))

    def write(self, wanted: outputs.Target, data: bytes, token: str) -> None:
        outputs.write(wanted, data)
        self._stamps.record(wanted.path, outputs.lstat(wanted.path), token, _sha256(data))

    def _write_live(self, cert: CertificateSpec, current: Generation, sources: _Sources) -> None:
        """Repair the generation's own files where they are damaged, then point live/NAME at them."""
        issued = self._layout.issuance(cert.name, current.number, current.issuance)
        wanted = [(os.path.join(issued, name), data, mode) for name, data, mode in sources.live_files()]
        for material in sources.materials():
            path = self._layout.key(cert.name, current.number, material.algorithm)
            wanted.append((path, material.key, 0o600))
        batch = atomic.Batch()
        for path, data, mode in wanted:
            problem = outputs.attributes_problem(outputs.Target(path, mode), outputs.lstat(path))
            if problem or outputs.read(path) != data:
                atomic.make_directory(os.path.dirname(path))
                batch.file(path, data, mode)
        link = self._layout.live(cert.name)
        batch.link(link, self._layout.live_target(cert.name, current.number, current.issuance))
        batch.commit()

    def watched(self, path: str) -> str:
        """The digest of a file that others write; "" where it is not there."""
        try:
            info = os.stat(path)
        except OSError:
            return ""
        digest = self._stamps.digest(path, info, "watch")
        if digest is None:
            try:
                with open(path, "rb") as file:
                    digest = _sha256(file.read())
            except OSError:
                return ""
            self._stamps.record(path, info, "watch", digest)
        return digest


def _link_problem(path: str, wanted: str) -> str | None:
    try:
        found = os.readlink(path)
    except FileNotFoundError:
        return "is missing"
    except OSError:
        return "is not a symlink"
    return None if found == wanted else f"points at {found}"


def _target(file: FileSpec) -> outputs.Target:
    return outputs.target(file.path, file.mode, file.owner, file.group, secret="key" in file.parts)


class _Sources:
    """What the files of one generation are made of: read and verified once, and only if it must be."""

    def __init__(self, layout: Layout, name: str, generation: Generation) -> None:
        self._layout = layout
        self._name = name
        self._generation = generation
        self._materials: tuple[Material, ...] | None = None
        self._live: dict[str, tuple[bytes, int]] | None = None
        leaves = [key.certificate.sha256[:23] for key in generation.keys if key.certificate]
        self.token = f"{generation.number}.{generation.issuance}:{','.join(leaves)}"

    def file_token(self, file: FileSpec) -> str:
        """What the content of *file* depends on."""
        return f"{self.token}:{','.join(file.parts)}:{file.algorithm or ''}"

    def materials(self) -> tuple[Material, ...]:
        if self._materials is None:
            self._materials = generations.read_materials(self._layout, self._name, self._generation)
        return self._materials

    def live_files(self) -> list[tuple[str, bytes, int]]:
        return issuance_files(LIVE_FILES, self.materials())

    def live(self, name: str) -> bytes | None:
        if self._live is None:
            self._live = {file: (data, mode) for file, data, mode in self.live_files()}
        return self._live[name][0] if name in self._live else None


def _live_names(generation: Generation) -> list[tuple[str, int]]:
    """The files of an issuance, with their modes; of a root, whether there is one is not known here."""
    names = [(name, mode) for name, _, mode in LIVE_FILES]
    if len(generation.keys) > 1:
        names += [
            (f"{key.algorithm}/{name}", mode) for key in generation.keys for name, _, mode in LIVE_FILES
        ]
    return names


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
