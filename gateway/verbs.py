"""What the command line can do."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

from gateway.health import Health, serve
from gateway.ledger import Ledger
from gateway.logs import set_up
from gateway.orthanc import Conflict, Orthanc, OrthancAway, OrthancRefused
from gateway.readiness import obstacles, unreachable_targets
from gateway.record import ForeignRecord, JobRecord, State
from gateway.settings import Settings, SettingsError, load_settings, selection_rules
from gateway.stopping import Stop
from gateway.worker import Worker
from gateway.workspace import Workplace

OK, WRONG, USAGE = 0, 1, 2
log = logging.getLogger("gateway.worker")


def perform(arguments: argparse.Namespace) -> int:
    """Do what the command line asks for; every fault is one sentence on standard error."""
    try:
        settings = load_settings(arguments.config)
        if arguments.verb == "run":
            return run(settings)
        with closing(Orthanc(settings.orthanc.model_copy(update={"patience_s": 0.0}))) as orthanc:
            if arguments.verb == "check":
                return check(settings, orthanc)
            if arguments.verb == "resubmit":
                return resubmit(settings, orthanc, arguments.series, arguments.all_dead)
            return status(settings, orthanc) if arguments.verb == "status" else dead_letters(settings, orthanc)
    except SettingsError as error:
        return _say(str(error), USAGE)
    except (OrthancAway, OrthancRefused) as error:
        return _say(str(error), WRONG)
    except OSError as error:
        return _say(f"{error.filename or 'operating system'}: {error.strerror or error}", WRONG)


def run(settings: Settings) -> int:
    """Be a worker until stopped."""
    rules = selection_rules(settings.app)
    set_up(settings.logging.level)
    log.info("looking for Orthanc")  # it may be started together with the worker, and take longer
    stop = Stop(settings.app.stop_grace_s)
    health = Health()
    with closing(Orthanc(settings.orthanc, stop.wait)) as orthanc:
        found = obstacles(orthanc, settings)
        if found:
            return _say("; ".join(found), USAGE)
        if settings.health.port is not None:
            try:
                serve(health, settings.health.address, settings.health.port)
            except OSError as error:
                place = f"{settings.health.address}:{settings.health.port}"
                return _say(f"health.port: {place}: {error.strerror}; each worker on a machine needs its own", USAGE)
        workplace = Workplace(settings.work)
        try:
            Worker(settings, rules, orthanc, workplace, health, stop).run()
        finally:
            workplace.close()
    return OK


def check(settings: Settings, orthanc: Orthanc) -> int:
    """Say whether a worker could start, target by target."""
    selection_rules(settings.app)
    found = obstacles(orthanc, settings)
    Workplace(settings.work).close()
    found += unreachable_targets(orthanc, settings) if not found else []
    for sentence in found:
        print(sentence)
    print("not ready" if found else "ready")
    return WRONG if found else OK


def status(settings: Settings, orthanc: Orthanc) -> int:
    """Print the number of series by state, as JSON."""
    counts = Counter(record.state.value if record else "new" for _, record in _jobs(settings, orthanc))
    print(json.dumps({state: counts[state] for state in ("new", *(one.value for one in State))}))
    return OK


def dead_letters(settings: Settings, orthanc: Orthanc) -> int:
    """Print the jobs that were given up, one JSON object a line."""
    for series, record in _jobs(settings, orthanc):
        if record is not None and record.state is State.DEAD:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.updated))
            told = {"series": series, "job": record.key, "code": record.code, "detail": record.detail, "since": since}
            print(json.dumps(told))
    return OK


def resubmit(settings: Settings, orthanc: Orthanc, wanted: list[str], all_dead: bool) -> int:
    """Let series be judged and processed again, with all attempts before them."""
    ledger = Ledger(orthanc, "resubmit", settings.lease)
    if all_dead:
        wanted = [name for name, record in _jobs(settings, orthanc) if record and record.state is State.DEAD]
    wrong = 0
    for series in wanted:
        entry = ledger.read(series)
        if entry.record is None:
            wrong += _say(f"{series}: no job of the gateway", WRONG)
        elif entry.record.state is State.RUNNING:
            wrong += _say(f"{series}: is being processed now", WRONG)
        else:
            _send_again(ledger, series, entry.record, entry.etag)
            print(series)
    return WRONG if wrong else OK


def _send_again(ledger: Ledger, series: str, record: JobRecord, etag: str | None) -> None:
    # What is stored but could not be sent is only sent again; everything else is made anew.
    keep = record.stored and record.state is State.DEAD
    fresh = record.changed(state=State.WAITING, attempts=0, forwards=0, due=0.0, stored=keep, code="", detail="")
    try:
        ledger.write(series, fresh, etag)
    except Conflict:
        raise OrthancRefused("resubmit: the job changed meanwhile; try again", 409) from None


def _jobs(settings: Settings, orthanc: Orthanc) -> Iterator[tuple[str, JobRecord | None]]:
    ledger = Ledger(orthanc, "reader", settings.lease)
    for series in orthanc.get("/series"):
        yield series, _record_of(ledger, series)


def _record_of(ledger: Ledger, series: str) -> JobRecord | None:
    try:
        return ledger.read(series).record
    except ForeignRecord as error:
        _say(f"{series}: {error}", WRONG)
        return None


def _say(sentence: str, code: int) -> int:
    print(f"gateway: {sentence}", file=sys.stderr)
    return code
