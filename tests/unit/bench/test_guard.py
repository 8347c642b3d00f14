"""A message has not become dearer than what was recorded: processor time, beside a loop in the same seconds."""

import subprocess
import sys

import pytest

from support.pages import ROOT

pytestmark = pytest.mark.slow


def test_a_message_costs_no_more_than_a_quarter_above_what_was_recorded() -> None:
    command = [sys.executable, "-m", "bench.guard", "--recorded"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(told.stdout)
    assert told.returncode == 0, told.stdout + told.stderr
