"""The tests run on the build that they were promised, and the broker says which one it is."""

import os
import re

import broker.core.message
from broker.server.build import version_text

EXPECTED_COMPILED = os.environ.get("PONYMQ_EXPECT_COMPILED") == "1"


def test_the_build_under_test_is_the_promised_one() -> None:
    is_source = (broker.core.message.__file__ or "").endswith(".py")
    assert is_source != EXPECTED_COMPILED


def test_version_says_version_build_and_python() -> None:
    assert re.fullmatch(r"ponymq \d+\.\d+\.\d+ \(compiled: (yes|no), Python \d+\.\d+\.\d+\S*\)", version_text())


def test_version_never_claims_a_compiled_build_for_the_sources() -> None:
    if not EXPECTED_COMPILED:
        assert "compiled: no" in version_text()
