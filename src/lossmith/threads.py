"""How many threads a call may use."""

from lossmith.engine.threads import set_threads

__all__ = ["set_threads"]
