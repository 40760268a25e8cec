"""One claimed job from its files to its forwarded results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.faults import Fault, JobError
from gateway.forwarding import forward
from gateway.health import Health
from gateway.ledger import Claim
from gateway.logs import facts, relay
from gateway.orthanc import Orthanc, Wait
from gateway.process import run_app
from gateway.record import State
from gateway.results import check_results, store, stored_instances, withdraw
from gateway.settings import Settings
from gateway.spool import SpooledSeries, find_series, key_of
from gateway.workspace import Workplace, pull

log = logging.getLogger("gateway.job")


class Regrown(Exception):
    """The series changed its extent while it was processed: what was made of it is worth nothing."""


@dataclass(frozen=True)
class JobRunner:
    """Runs claimed jobs.

    Attributes:
        orthanc, settings, workplace, health: the worker's own.
        check_stop: raises :class:`gateway.faults.Stopped` when the worker must let go.
        wait: sleeps some seconds; raises as ``check_stop``.
    """

    orthanc: Orthanc
    settings: Settings
    workplace: Workplace
    health: Health
    check_stop: Callable[[], None]
    wait: Wait

    def run(self, claim: Claim, series: SpooledSeries) -> None:
        """Do what is left to do of a job and record it as done.

        Raises:
            JobError: the attempt failed.
            Declined: the app refused the series.
            Regrown, NoSpace, ClaimLost, Stopped, OrthancAway: nothing is wrong with the job; see each.
        """
        if not claim.record.stored:
            self._make(claim, series)
        with self._timed("forward"):
            self._forward(claim)
        claim.end(State.DONE, code="", detail="")

    def _make(self, claim: Claim, series: SpooledSeries) -> None:
        keep = self._keeper(claim, series)
        with self.workplace.job() as folder:
            source, output = folder / "in", folder / "out"
            source.mkdir()
            with self._timed("pull"):
                pull(self.orthanc, series, source, self.settings.limits, keep)
            try:
                with self._timed("app"):
                    code = run_app(self.settings.app, source, output, keep, folder / "said")
            finally:
                relay(folder / "said")
            study_uid = self._study_uid(series)
            results = check_results(output, code, claim.record.key, study_uid, series.uid)
            self._check_extent(claim, series)
            claim.update(claim.record.planning(results.series))
            with self._timed("store"):
                store(self.orthanc, results, keep)
        if claim.record.superseded and self.settings.targets:
            log.warning("results of an earlier extent of the series are replaced", extra=facts(job=claim.record.key))
        withdraw(self.orthanc, claim.record.superseded)
        claim.update(claim.record.changed(stored=True, superseded=(), attempts=0))

    def _forward(self, claim: Claim) -> None:
        if any(stored_instances(self.orthanc, one.uid) < one.instances for one in claim.record.results):
            claim.update(claim.record.changed(stored=False, sent=()))
            raise JobError(Fault.RESULTS_GONE, "stored results have disappeared from Orthanc")
        forward(
            self.orthanc,
            claim.record,
            self.settings.targets,
            lambda name: claim.update(claim.record.changed(sent=(*claim.record.sent, name))),
            lambda: self._beat(claim),
            self.wait,
        )

    def _keeper(self, claim: Claim, series: SpooledSeries) -> Callable[[], None]:
        """Renews the lease; with each renewal looks whether the series has grown, which would waste the rest."""
        last = claim.record.nonce

        def keep() -> None:
            nonlocal last
            self._beat(claim)
            if claim.record.nonce != last:
                last = claim.record.nonce
                now = find_series(self.orthanc, series.id)
                if now is not None and len(now.instances) > len(series.instances):
                    raise Regrown

        return keep

    def _beat(self, claim: Claim) -> None:
        self.check_stop()
        self.health.alive(self.settings.lease.seconds + self.settings.orthanc.patience_s)
        claim.keep()

    def _check_extent(self, claim: Claim, series: SpooledSeries) -> None:
        now = find_series(self.orthanc, series.id)
        if now is None or key_of(self.orthanc, now) != claim.record.key:
            raise Regrown

    def _study_uid(self, series: SpooledSeries) -> str:
        found = self.orthanc.get(f"/studies/{series.study}")
        return str(found["MainDicomTags"].get("StudyInstanceUID", "")) if found else ""

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.health.stage.labels(stage).observe(time.perf_counter() - begin)
