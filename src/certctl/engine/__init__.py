"""One pass: observe, plan, apply a batch of steps, observe again."""

from certctl.engine.engine import Engine
from certctl.engine.outcome import Event, Failed, Outcome

__all__ = ["Engine", "Event", "Failed", "Outcome"]
