"""Fixtures that several test files share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared():
    """The development data beside the repository; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the development data beside the repository (../shared/data) is absent")
    return SHARED
