"""The configuration that a command line means."""

from __future__ import annotations

import argparse

from certctl.planning.spec import Spec


def load_spec(arguments: argparse.Namespace) -> Spec:
    """Find and load it. Raises `ConfigError` and `UsageError`."""
    import os

    from certctl import config

    return config.load(config.find(arguments.config, os.environ))
