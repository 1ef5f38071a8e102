"""Configured files and live/NAME: what is wrong with them, and bringing them to what they should be."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from certctl.errors import CertctlError, StateError, StoreError, UnreadableError
from certctl.planning.observed import FileSeen
from certctl.planning.spec import CertificateSpec, FileSpec
from certctl.planning.state import Generation
from certctl.store import atomic, keyfiles, outputs
from certctl.store.layout import LIVE_FILES, Layout
from certctl.store.materials import Materials, digest_of, token_of
from certctl.store.stamps import Stamps
from certctl.system import files
from certctl.x509.bundle import Change, Material, Prepared, issuance_files, render


class Files:
    """The files that certificates are served from."""

    def __init__(self, layout: Layout, stamps: Stamps, materials: Materials) -> None:
        self._layout = layout
        self._stamps = stamps
        self._materials = materials

    def unserved(self, cert: CertificateSpec) -> list[FileSeen]:
        """The same files before there is anything to serve: only a directory can be wrong with them yet."""
        live = FileSeen(self._layout.live(cert.name), None, cert.hooks, is_live=True)
        return [live, *(FileSeen(f.path, outputs.directory_missing(f.path), f.hooks) for f in cert.files)]

    def observe(self, cert: CertificateSpec, current: Generation) -> list[FileSeen]:
        """live/NAME, then the configured files. Raises StateError where the certificates are lost."""
        sources = _Sources(self._materials, cert.name, current)
        live = self._observe_live(cert, current, sources)
        return [live, *(self._observe_output(file, sources) for file in cert.files)]

    def _observe_live(self, cert: CertificateSpec, current: Generation, sources: _Sources) -> FileSeen:
        path = self._layout.live(cert.name)
        problem = _link_problem(path, self._layout.live_target(cert.name, current.number, current.issuance))
        generation = self._layout.generation(cert.name, current.number)
        kept = [f"{generation}/{name}" for name in _kept_names(current)]
        # The files of a generation do not change, so one stamp vouches for all of them.
        if not self._stamps.vouches(generation, kept, sources.token):
            wrong = self._kept_problem(cert.name, current, sources)
            if wrong is None:
                self._stamps.record_all(generation, kept, sources.token, digest_of(sources.materials()))
            problem = problem or wrong
        return FileSeen(path, problem, cert.hooks, f"{current.number}.{current.issuance}", is_live=True)

    def _kept_problem(self, name: str, current: Generation, sources: _Sources) -> str | None:
        """What is wrong with the generation's own files, content and all."""
        for path, data, mode in self._kept_files(name, current, sources):
            wrong = outputs.attributes_problem(outputs.Target(path, mode, os.geteuid()), outputs.lstat(path))
            if wrong is None and outputs.read(path) != data:
                wrong = "is damaged"
            if wrong:
                return f"comes from {path}, which {wrong}"
        return None

    def _kept_files(
        self, name: str, current: Generation, sources: _Sources
    ) -> Iterator[tuple[str, bytes, int]]:
        """The files of a generation as they should be: path, content, mode."""
        issued = self._layout.issuance(name, current.number, current.issuance)
        for file, data, mode in sources.live_files():
            yield f"{issued}/{file}", data, mode
        for material in sources.materials():
            yield self._layout.key(name, current.number, material.algorithm), material.key, 0o600

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
        # Modes and owners are part of the token: changing them changes ctime, so a
        # stamp vouches for them too.
        token = f"{token}|{wanted.mode:o}|{wanted.uid}|{wanted.gid}"
        digest = self._stamps.digest(wanted.path, info, token)
        if digest is not None:
            return None, (None if info is None else digest)
        problem = outputs.attributes_problem(wanted, info)
        data = outputs.read(wanted.path)
        digest = None if data is None else _sha256(data)
        try:
            right = content()
        except (StateError, UnreadableError):
            raise
        except CertctlError as error:
            return problem or f"cannot be made: {error.message}", digest
        if right == data and (data is None or problem is None):
            self._stamps.record(wanted.path, info, token, digest or "-")
            return None, digest
        if right == data:
            return problem, digest
        if data is None or problem is not None:
            return problem or "cannot be read", digest
        return ("is empty" if not data else f"does not hold {what}"), digest

    def prepare(self, cert: CertificateSpec, current: Generation, path: str) -> Prepared:
        """What brings *path* (live/NAME or a configured file) to the current generation."""
        sources = _Sources(self._materials, cert.name, current)
        if path == self._layout.live(cert.name):
            digest = f"{current.number}.{current.issuance}"
            return Prepared(path, digest, self._live_change(cert, current, sources))
        file = next(file for file in cert.files if file.path == path)
        data = render(file.parts, sources.materials(), file.algorithm)
        target, token = _target(file), sources.file_token(file)
        return Prepared(path, _sha256(data), self.change(target, data, token))

    def change(self, wanted: outputs.Target, data: bytes, token: str) -> Change:
        """*data* in its place, and remembered as what was made from *token*."""
        token, digest = f"{token}|{wanted.mode:o}|{wanted.uid}|{wanted.gid}", _sha256(data)

        def remember() -> None:
            self._stamps.record(wanted.path, outputs.lstat(wanted.path), token, digest)

        return Change(outputs.batch(wanted, data), remember)

    def _live_change(self, cert: CertificateSpec, current: Generation, sources: _Sources) -> Change:
        """Repair the generation's own files where they are damaged, then point live/NAME at them."""
        batch = atomic.Batch()
        for path, data, mode in self._kept_files(cert.name, current, sources):
            problem = outputs.attributes_problem(
                outputs.Target(path, mode, os.geteuid()), outputs.lstat(path)
            )
            if problem or outputs.read(path) != data:
                atomic.make_directory(os.path.dirname(path))
                if mode == 0o600:
                    keyfiles.spare(self._layout, cert.name, path, data)
                batch.file(path, data, mode)
        link = self._layout.live(cert.name)
        there = files.info(link)
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise StoreError(f"{link} is a directory, where a symlink belongs", f"mv {link} {link}.aside")
        return Change(batch.link(link, self._layout.live_target(cert.name, current.number, current.issuance)))

    def watched(self, path: str) -> str:
        """The digest of a file that others write; "" where it is not there. Raises UnreadableError."""
        info = files.info(path, follow=True)
        if info is None:
            return ""
        digest = self._stamps.digest(path, info, "watch")
        if digest is None:
            data = files.read_file(path, follow=True)
            if data is None:
                return ""
            digest = _sha256(data)
            self._stamps.record(path, info, "watch", digest)
        return digest


def _link_problem(path: str, wanted: str) -> str | None:
    found = files.link_target(path)
    if found is None:
        return "is missing" if files.info(path) is None else "is not a symlink"
    return None if found == wanted else f"points at {found}"


def _target(file: FileSpec) -> outputs.Target:
    target = outputs.target(file.path, file.mode, file.owner, file.group, secret="key" in file.parts)
    return target._replace(keys_known=True)


class _Sources:
    """What the files of one generation are made of."""

    def __init__(self, materials: Materials, name: str, generation: Generation) -> None:
        self._materials = materials
        self._name = name
        self._generation = generation
        self.token = token_of(generation)

    def file_token(self, file: FileSpec) -> str:
        """What the content of *file* depends on."""
        return f"{self.token}:{','.join(file.parts)}:{file.algorithm or ''}"

    def materials(self) -> tuple[Material, ...]:
        return self._materials.read(self._name, self._generation)

    def live_files(self) -> list[tuple[str, bytes, int]]:
        return issuance_files(LIVE_FILES, self.materials())


def _kept_names(generation: Generation) -> list[str]:
    """What a generation keeps, below its directory; a root may be missing."""
    issued = f"issued-{generation.issuance}"
    names = [f"{key.algorithm}.key" for key in generation.keys]
    names += [f"{issued}/{name}" for name, _, _ in LIVE_FILES]
    if len(generation.keys) > 1:
        names += [f"{issued}/{key.algorithm}/{name}" for key in generation.keys for name, _, _ in LIVE_FILES]
    return names


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
