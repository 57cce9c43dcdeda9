"""A browser for the tests of pages: the system's Chromium, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest

_COMMANDS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """A running browser; the test fails where there is none, and says how to get one."""
    from playwright.sync_api import sync_playwright

    command = next(filter(None, map(shutil.which, _COMMANDS)), None)
    if command is None:
        pytest.fail("this test needs a browser. On Debian or Ubuntu run: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def opened(browser, home, *, width=1280, height=900, scheme="light"):
    """A page of its own, and what goes wrong while it is open: errors, and requests for anything but ``home``."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if _outside(request.url, home) else None)
    page.on("requestfailed", lambda request: wrong.append(f"not found: {request.url}"))
    page.on("response", lambda response: wrong.append(f"not found: {response.url}") if response.status >= 400 else None)
    try:
        yield page, wrong
    finally:
        context.close()


def _outside(url, home):
    return not url.startswith((home, "data:", "about:", "blob:"))
