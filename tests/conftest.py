"""Fixtures that several test files share."""

import signal
from pathlib import Path

import pytest

# A shell that starts the tests in the background makes them ignore Ctrl-C, and the processes that
# they interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared():
    """The development data beside the repository; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the development data beside the repository (../shared/data) is absent")
    return SHARED
