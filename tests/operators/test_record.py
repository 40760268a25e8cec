"""The record tells the truth, also when several stages speak at once."""

from __future__ import annotations

import threading

from app.manifest import DONE, FAILED, NOTHING_SUITABLE, exit_code
from operators.record import Outcome, RunRecord, SeriesRecord
from pulmomap.refusals import Flag, Refusal, Refused


def record_with(*keys: str) -> RunRecord:
    record = RunRecord()
    for key in keys:
        record.add(key, f"1.2.{key}", "1.2")
    return record


def one(record: RunRecord, key: str) -> SeriesRecord:
    return next(series for series in record.series() if series.key == key)


def test_a_refusal_ends_the_series_with_its_name_and_sentence() -> None:
    record = record_with("1")
    with record.stage("1", "volume"):
        raise Refused(Refusal.LUNGS_CUT, "the right lung reaches the first slice over 12 cm2")
    series = one(record, "1")
    assert (series.outcome, series.code, series.stage) == (Outcome.REFUSED, "LUNGS_CUT", "volume")
    assert series.detail == "the right lung reaches the first slice over 12 cm2"
    assert exit_code(record.series()) == NOTHING_SUITABLE


def test_an_unexpected_error_is_a_failure_in_one_line() -> None:
    record = record_with("1")
    with record.stage("1", "synthesis"):
        raise ValueError("first line\n  second line")
    series = one(record, "1")
    assert (series.outcome, series.code) == (Outcome.FAILED, "ValueError")
    assert series.detail.startswith("first line second line")
    assert "\n" not in series.detail


def test_the_first_reason_counts() -> None:
    record = record_with("1")
    with record.stage("1", "ct"):
        raise OSError("disk full")
    with record.stage("1", "seg"):
        raise ValueError("later")
    record.done("1", ["never"])
    assert (one(record, "1").code, one(record, "1").outcome) == ("OSError", Outcome.FAILED)


def test_exit_code_tells_the_truth() -> None:
    record = record_with("1", "2")
    record.add_rejected("1.2.9", "1.2", "NOT_CT", "the modality is MR")
    assert exit_code(record.series()) == FAILED  # pending is not done
    record.done("1", [])
    record.interrupt("GraphEnded", "run it again")
    assert exit_code(record.series()) == FAILED
    done = record_with("1")
    done.add_rejected("1.2.9", "1.2", "NOT_CT", "the modality is MR")
    done.done("1", [])
    assert exit_code(done.series()) == DONE
    assert exit_code([]) == NOTHING_SUITABLE


def test_stage_times_add_up_under_threads() -> None:
    record = record_with(*map(str, range(8)))

    def work(key: str) -> None:
        for name in ("volume", "ct"):
            with record.stage(key, name):
                pass
        record.note(key, (Flag.NO_NODULE,), ("a note",))
        record.done(key, [f"{key}/a.dcm"])

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for series in record.series():
        assert series.outcome is Outcome.DONE
        assert set(series.seconds) == {"volume", "ct"}
        assert series.flags == ["NO_NODULE"]
        assert series.outputs == [f"{series.key}/a.dcm"]


def test_listener_hears_start_stage_and_end() -> None:
    heard: list[str] = []
    record = RunRecord(lambda event, stage, series: heard.append(f"{event} {stage}"))
    record.add("1", "1.2.1", "1.2")
    with record.stage("1", "volume"):
        pass
    record.done("1", [])
    assert heard == ["started volume", "stage volume", "ended publish"]
