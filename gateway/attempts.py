"""One attempt at a claimed job, and what its end means for the job."""

from __future__ import annotations

import logging
import random
import time

from gateway.faults import Fault, JobError, Stopped
from gateway.health import Health
from gateway.job import JobRunner, Regrown
from gateway.ledger import Claim, ClaimLost
from gateway.logs import facts, short
from gateway.orthanc import Conflict, Orthanc, OrthancAway
from gateway.record import JobRecord, State
from gateway.results import Declined, withdraw
from gateway.retry import delay_s
from gateway.settings import Settings
from gateway.spool import SpooledSeries
from gateway.workspace import NoSpace

log = logging.getLogger("gateway.worker")


class Attempts:
    """Runs claimed jobs and writes down how they ended.

    Args:
        runner: does the work.
        orthanc: the server.
        settings: of the gateway.
        health: what to tell.
    """

    def __init__(self, runner: JobRunner, orthanc: Orthanc, settings: Settings, health: Health) -> None:
        self._runner, self._orthanc, self._settings, self._health = runner, orthanc, settings, health
        self._rng = random.Random()  # noqa: S311  (jitter, no secret)

    def run(self, claim: Claim, series: SpooledSeries) -> bool:
        """Run a job; whether it needs nothing more.

        Raises:
            ClaimLost, Conflict, OrthancAway, Stopped: the job is somebody else's now, or will be.
            NoSpace: the job was given back, as there is no room for it now.
        """
        log.info("job started", extra=facts(series=short(series.id), job=claim.record.key, files=len(series.instances)))
        self._health.busy.set(1)
        try:
            self._runner.run(claim, series)
            self._health.last_done.set_to_current_time()
            self.ended("done", claim.record, series)
            return True
        except Declined as refusal:
            withdraw(self._orthanc, claim.record.regrown(claim.record.key).superseded)
            claim.end(State.REFUSED, code=refusal.code, detail=refusal.detail, results=(), superseded=())
            self.ended("refused", claim.record, series)
            return True
        except JobError as error:
            return self._failed(claim, series, error)
        except Stopped:
            self._let_go(claim, due=0.0)
            raise
        except Regrown:
            log.info("the series changed while it was processed", extra=facts(series=short(series.id)))
            self._let_go(claim, due=0.0)
            return False
        except NoSpace:
            self._let_go(claim, due=time.time() + self._settings.processing.first_s)
            raise
        except (ClaimLost, OrthancAway, Conflict):
            raise
        except Exception as error:
            log.exception("unexpected error in a job", extra=facts(series=short(series.id)))
            return self._failed(claim, series, JobError(Fault.UNEXPECTED, type(error).__name__))
        finally:
            self._health.busy.set(0)

    def _failed(self, claim: Claim, series: SpooledSeries, error: JobError) -> bool:
        record = claim.record
        schedule = self._settings.forwarding if record.stored else self._settings.processing
        failures = record.forwards if record.stored else record.attempts
        self._health.faults.labels(error.code.name).inc()
        if failures >= schedule.attempts:
            claim.end(State.DEAD, code=error.code.name, detail=error.detail)
            self.ended("dead", claim.record, series)
            return True
        delay = delay_s(max(failures, 1), schedule, self._rng)
        claim.end(State.WAITING, code=error.code.name, detail=error.detail, due=time.time() + delay)
        log.warning("%s; again in %.0f s", error, delay, extra=facts(series=short(series.id), job=record.key))
        return False

    def _let_go(self, claim: Claim, due: float) -> None:
        """Give a job back as it was found: this attempt does not count."""
        record = claim.record
        attempts = record.attempts if record.stored else max(record.attempts - 1, 0)
        forwards = max(record.forwards - 1, 0) if record.stored else record.forwards
        claim.end(State.WAITING, attempts=attempts, forwards=forwards, due=due)

    def ended(self, outcome: str, record: JobRecord, series: SpooledSeries) -> None:
        """Count and tell that a job has come to its end."""
        self._health.jobs.labels(outcome).inc()
        level = logging.ERROR if outcome == "dead" else logging.INFO
        told = facts(series=short(series.id), job=record.key, code=record.code)
        log.log(level, "job %s", outcome, extra=told)
