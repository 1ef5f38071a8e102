"""A host of certctl's own for tests with real servers: its configuration, its commands, what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from certctl.deploy.lookup import shipped_dir


class Home:
    """A directory with a certctl.toml; commands run as a user would run them."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.join(directory, "certctl")
        os.makedirs(os.path.join(self.directory, "tls"), mode=0o755)

    @property
    def config(self) -> str:
        return os.path.join(self.directory, "certctl.toml")

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def read(self, name: str) -> bytes:
        with open(self.path(name), "rb") as file:
            return file.read()

    def configure(self, text: str) -> None:
        """Write the configuration; state and relative paths are in the home's directory."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write('state_dir = "state"\n' + text)
        os.chmod(self.config, 0o644)

    def rewrite(self, text: str) -> None:
        """Replace the whole configuration, as an editor would."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command; its exit status must be *status*. Return both outputs."""
        return self.run_alone("--config", self.config, *arguments, status=status)

    def run_alone(self, *arguments: str, status: int = 0) -> str:
        """The same without naming the configuration."""
        done = subprocess.run(
            [sys.executable, "-m", "certctl", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *arguments: str, status: int | None = 0) -> Any:
        """Run a command with --json and give its document; *status* None: it may end with any."""
        done = subprocess.run(
            [sys.executable, "-m", "certctl", "--config", self.config, "--json", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert status in (None, done.returncode), done.stdout + done.stderr
        return json.loads(done.stdout)

    def certificate(self, name: str = "mx") -> Any:
        """The certificate's part of status --json."""
        return next(item for item in self.json("status")["certificates"] if item["name"] == name)


def shipped(hook: str, *arguments: str) -> str:
    """TOML of a command that runs a shipped hook."""
    words = [os.path.join(shipped_dir("hooks"), hook), *arguments]
    return json.dumps(["/bin/sh", *words])
