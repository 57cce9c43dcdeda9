"""Fixtures that tests of several files share."""

from browser import browser

__all__ = ["browser"]
