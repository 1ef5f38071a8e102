"""Start servers for the length of a test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

Options = ParamSpec("Options")
Server = TypeVar("Server")


class Start(NamedTuple):
    """Starts servers, each in a new directory below *scratch*, and leaves their end to *stack*."""

    scratch: str
    stack: contextlib.ExitStack

    def __call__(
        self,
        server: Callable[Concatenate[str, Options], AbstractContextManager[Server]],
        /,
        *arguments: Options.args,
        **options: Options.kwargs,
    ) -> Server:
        """Enter the context manager *server* with a directory and these options; return the server."""
        number = len(os.listdir(self.scratch))
        directory = os.path.join(self.scratch, f"{getattr(server, '__name__', 'server')}-{number}")
        os.mkdir(directory)
        return self.stack.enter_context(server(directory, *arguments, **options))
