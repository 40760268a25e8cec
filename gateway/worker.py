"""The worker: finds series, claims jobs, runs them one at a time, and lets no series stop it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket

from gateway.attempts import Attempts
from gateway.discovery import Discovery
from gateway.eligibility import Ineligible, judge
from gateway.faults import Fault, Stopped
from gateway.health import Health
from gateway.job import JobRunner
from gateway.ledger import ClaimLost, Entry, Ledger
from gateway.logs import facts, short
from gateway.orthanc import Conflict, Orthanc, OrthancAway, OrthancRefused
from gateway.record import TERMINAL, ForeignRecord, JobRecord, State
from gateway.results import withdraw
from gateway.settings import Settings
from gateway.spool import SpooledSeries, bytes_of, find_series, key_of, study_is_stable
from gateway.stopping import Stop
from gateway.workspace import NoSpace, Workplace
from pulmomap.dicom.rules import SelectionRules

log = logging.getLogger("gateway.worker")


class Worker:
    """One worker process.

    Args:
        settings: of the gateway.
        rules: the app's selection rules.
        orthanc: the server.
        workplace: where to work.
        health: what to tell.
        stop: when to end.
    """

    def __init__(
        self,
        settings: Settings,
        rules: SelectionRules,
        orthanc: Orthanc,
        workplace: Workplace,
        health: Health,
        stop: Stop,
    ) -> None:
        self._settings, self._rules, self._orthanc, self._stop = settings, rules, orthanc, stop
        self._workplace, self._health = workplace, health
        self._ledger = Ledger(orthanc, f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}", settings.lease)
        self._discovery = Discovery(orthanc, settings.discovery)
        runner = JobRunner(orthanc, settings, workplace, health, stop.check, stop.wait)
        self._attempts = Attempts(runner, orthanc, settings, health)
        self._cramped: NoSpace | None = None

    def run(self) -> None:
        """Work until asked to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop.ask)
        log.info("worker ready", extra=facts(worker=self._ledger.worker))
        while not self._stop.asked:
            try:
                self.round()
            except Stopped:
                break
            self._stop.idle(self._settings.discovery.poll_s)
        log.info("worker stopped", extra=facts(worker=self._ledger.worker))

    def round(self) -> None:
        """Look at everything that may need attention, once."""
        self._sign_of_life()
        if self._cramped is not None and self._workplace.free_bytes() >= self._cramped.need:
            self._cramped = None
        try:
            for series in self._discovery.found():
                if self._stop.asked:
                    return
                self._sign_of_life()
                self._safely_handle(series)
            self._health.trouble = str(self._cramped or "")
        except (OrthancAway, OrthancRefused) as error:
            self._health.trouble = str(error)
            self._discovery.look_at_all()
            log.warning("%s; trying again", error)
        self._health.orthanc.set(self._orthanc.reachable)
        self._health.unsettled.set(self._discovery.unsettled)

    def _sign_of_life(self) -> None:
        self._health.alive(self._settings.lease.seconds + self._settings.orthanc.patience_s)
        self._health.space.set(self._workplace.free_bytes())

    def _safely_handle(self, series: str) -> None:
        try:
            settled = self._handle(series)
        except (OrthancAway, Stopped):
            raise
        except (Conflict, ClaimLost):
            log.info("another worker has this job", extra=facts(series=short(series)))
            settled = False
        except NoSpace as error:
            settled, self._cramped = False, error
            log.error("%s", error, extra=facts(series=short(series)))
        except (ForeignRecord, OrthancRefused) as error:
            log.error("%s", error, extra=facts(series=short(series)))
            settled = isinstance(error, ForeignRecord)
        except Exception:
            log.exception("this series could not be looked at", extra=facts(series=short(series)))
            settled = False
        if settled:
            self._discovery.settle(series)

    def _handle(self, name: str) -> bool:
        """Do what a series needs now; whether it needs nothing more until it changes."""
        series = find_series(self._orthanc, name)
        if series is None:
            return True
        entry = self._ledger.read(name)
        if not series.stable:
            return False
        key = key_of(self._orthanc, series)
        record = entry.record
        if record is not None and record.state is State.RUNNING and not self._ledger.is_free(name, record):
            return False  # whoever runs it will notice if the series has grown
        if record is not None and record.key == key and record.state in TERMINAL:
            return True
        if record is None or record.key != key:
            record = record.regrown(key) if record else JobRecord(state=State.WAITING, key=key)
        elif not self._ledger.is_free(name, record):
            return False
        return self._take(series, record, entry)

    def _take(self, series: SpooledSeries, record: JobRecord, entry: Entry) -> bool:
        """Judge a free job and run it."""
        if not record.stored:
            if not study_is_stable(self._orthanc, series.study):
                return False
            size = bytes_of(self._orthanc, series.id)
            verdict = judge(self._orthanc, series, self._settings.limits, self._rules)
            if verdict is None and not self._workplace.can_ever_hold(size):  # to wait for room would be for ever
                verdict = Ineligible(Fault.TOO_LARGE.name, "the series is too large for the disk of the work folder")
            if verdict is not None:
                self._refuse(series, record, entry, verdict)
                return True
            self._workplace.check_space(size)
        worn_out = record.state is State.RUNNING and record.attempts >= self._settings.processing.attempts
        claim = self._ledger.claim(series.id, record, entry.etag)
        if worn_out:
            claim.end(State.DEAD, code=Fault.WORKER_DIED.name, detail=Fault.WORKER_DIED.value)
            self._attempts.ended("dead", claim.record, series)
            return True
        return self._attempts.run(claim, series)

    def _refuse(self, series: SpooledSeries, record: JobRecord, entry: Entry, verdict: Ineligible) -> None:
        """Record why a series is not processed. What cannot be judged is for a person to look at: a dead letter."""
        state = State.DEAD if verdict.code == Fault.TAGS_UNREADABLE.name else State.REFUSED
        withdraw(self._orthanc, record.regrown(record.key).superseded)
        told = {"code": verdict.code, "detail": verdict.detail}
        refused = record.changed(state=state, results=(), superseded=(), worker="", **told)
        self._ledger.write(series.id, refused, entry.etag)
        self._attempts.ended(state.value, refused, series)
