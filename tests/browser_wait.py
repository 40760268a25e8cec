"""Waiting in a page whose content policy forbids ``eval``."""

from __future__ import annotations

from typing import Any

import pytest


def until(page: Any, expression: str) -> None:
    """Wait for a JavaScript expression to hold, half a minute at most.

    Playwright's ``wait_for_function`` asks for the second time from within the page, where the policy stops it.
    """
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never became true: {expression}")
