"""When to try again."""

from __future__ import annotations

import random

from gateway.sections import RetrySettings


def delay_s(failures: int, settings: RetrySettings, rng: random.Random) -> float:
    """Seconds until the next attempt: exponential back-off with jitter.

    The jitter takes up to half of the delay, so that a hundred jobs that failed together do not come back together.

    Args:
        failures: how many attempts have failed, at least 1.
        settings: the schedule.
        rng: source of the jitter.
    """
    # The exponent is bounded: a job that is tried for months must not overflow.
    full = min(settings.longest_s, settings.first_s * settings.factor ** min(failures - 1, 64))
    return full * rng.uniform(0.5, 1.0)
