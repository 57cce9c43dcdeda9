"""Keras reads its backend when it is imported: the tests of on_keras.py have a process of their own, in 64-bit JAX."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve()
SWEEPS = {"covering": "not full", "rest": "full"}


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")
@pytest.mark.parametrize("sweep", ["covering", pytest.param("rest", marks=pytest.mark.full)])
def test_keras(sweep):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", SWEEPS[sweep]]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [*command, str(HERE.with_name("on_keras.py"))],
        env=environment, cwd=HERE.parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
