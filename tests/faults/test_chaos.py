"""Faults 1 and 9, all at once and again and again: kills, cut lines, late data. The oracle judges what came of it.

The short form belongs to all tests; `make chaos` is the long one. Both print their seed and what they counted.
"""

import random
from pathlib import Path

import pytest

from faults.chaos.run import Plan, Run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SHORT_KILLS = 16
"""So many that every step of a commit is aimed at, a bot is killed, and lines are cut and stalled: see the counts."""
SEED = 1
TICKS = 100
"""Ticks for each kill: a thousand kills make a hundred thousand ticks."""


async def test_fault_01_09_through_kills_and_bad_lines_no_ticked_message_is_lost_or_shown_twice(
    tmp_path: Path, kills: int
) -> None:
    seed = random.SystemRandom().randrange(1 << 32) if kills else SEED
    plan = Plan(kills=kills or SHORT_KILLS, seed=seed, ticks=TICKS)
    print(f"\nchaos by seed {seed}, in {tmp_path}")
    verdict = await Run(plan, tmp_path).judged()
    print(verdict.report())
    assert verdict.violations == []
    assert verdict.counts["kills"] >= plan.kills
    assert verdict.counts["kills inside a commit"] >= 0.3 * kills
    assert verdict.counts["ticks"] >= plan.kills * TICKS
    assert verdict.counts["displays"] >= verdict.counts["ticks"]
    assert verdict.counts["connections cut"] + verdict.counts["connections torn"] > 0
    assert verdict.counts["stalls"] > 0
    assert verdict.counts["bots killed"] > 0
    assert verdict.counts["ciphertexts searched for"] > 0


@pytest.mark.parametrize(
    ("fault", "rules"),
    [
        ("tick before commit", {"what_is_ticked_is_displayed"}),
        # Two that are taken in together are shown in the right order all the same; their chain tells.
        ("swapped order", {"the_order_is_the_same_everywhere", "everything_can_be_read"}),
        ("lost entry", {"positions_rise"}),
        ("stored twice", {"each_message_has_one_place"}),
        ("display twice", {"each_message_is_displayed_once"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_oracle_finds_a_planted_fault(tmp_path: Path, fault: str, rules: set[str]) -> None:
    plan = Plan(kills=1, seed=SEED, fault=fault, bots=2, ticks=200, bot_kills=0.0, early=0.0, cruel=False)
    verdict = await Run(plan, tmp_path).judged()
    print(verdict.report())
    assert verdict.broken() & rules
