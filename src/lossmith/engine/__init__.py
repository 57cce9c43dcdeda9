"""How a formula runs. Callers ask ``evaluate`` and do not care which engine answers."""

from lossmith.engine.arrays import evaluate

__all__ = ["evaluate"]
