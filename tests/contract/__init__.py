"""Acceptance: each promise of the public contract, with a test named after it."""
