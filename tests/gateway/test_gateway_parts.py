"""The gateway's parts without an Orthanc: retries, settings, processes, health, records."""

from __future__ import annotations

import os
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orthanc_server import free_port
from pydantic import ValidationError
from site_kit import assert_gone

from gateway.__main__ import main
from gateway.discovery import Discovery
from gateway.faults import JobError, Stopped
from gateway.health import Health, serve
from gateway.logs import relay
from gateway.process import run_app
from gateway.record import JobRecord, ResultSeries, State, parse_record
from gateway.retry import delay_s
from gateway.sections import AppSettings, DiscoverySettings, LeaseSettings, RetrySettings
from gateway.settings import SettingsError, load_settings
from gateway.stopping import Stop

schedules = st.builds(
    RetrySettings,
    attempts=st.just(3),
    first_s=st.floats(0, 100),
    factor=st.floats(1, 10),
    longest_s=st.floats(0, 10_000),
)


@given(st.integers(1, 10**9), schedules, st.integers())
def test_delay_is_bounded_and_spread(failures: int, schedule: RetrySettings, seed: int) -> None:
    full = min(schedule.longest_s, schedule.first_s * schedule.factor ** min(failures - 1, 64))
    assert full / 2 <= delay_s(failures, schedule, random.Random(seed)) <= full


def test_delays_double_up_to_the_longest() -> None:
    class NoJitter(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    schedule = RetrySettings(attempts=9, first_s=30, longest_s=900)
    assert [delay_s(n, schedule, NoJitter()) for n in range(1, 8)] == [30, 60, 120, 240, 480, 900, 900]


def python(code: str, **settings: Any) -> AppSettings:
    return AppSettings(command=(sys.executable, "-c", code), **settings)


def nothing() -> None:
    """Nothing to do while waiting."""


def test_app_is_killed_with_everything_it_started(tmp_path: Path) -> None:
    """A child of a child that ignores the polite signal."""
    code = (
        "import os,signal,subprocess,sys,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(99)\n"
    )

    def stop_once_it_runs() -> None:
        if len((tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run_app(python(code), tmp_path, tmp_path, stop_once_it_runs, tmp_path / "log")
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        assert_gone(pid)


def test_app_does_not_see_the_gateways_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ORTHANC__PASSWORD", "s3cret")
    monkeypatch.setenv("PULMOMAP_RUNTIME__THREADS", "1")
    code = "import os; print(*sorted(os.environ))"
    assert run_app(python(code), tmp_path, tmp_path, nothing, tmp_path / "log") == 0
    names = (tmp_path / "log").read_text().split()
    assert "PULMOMAP_RUNTIME__THREADS" in names
    assert "GATEWAY_ORTHANC__PASSWORD" not in names


def test_only_log_lines_of_the_app_are_passed_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = ['{"time": "t", "level": "INFO", "message": "fine"}', "UserWarning: Canary^Secret", "{}", "[" * 9999, "3"]
    (tmp_path / "said").write_text("\n".join(lines))
    relay(tmp_path / "said")
    relay(tmp_path / "missing")
    assert capfd.readouterr().err.splitlines() == lines[:1]


def test_exit_code_of_a_killed_app_is_a_signal(tmp_path: Path) -> None:
    code = "import os,signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_app(python(code), tmp_path, tmp_path, nothing, tmp_path / "log") == -9


def test_places_in_the_command_are_filled_in(tmp_path: Path) -> None:
    settings = AppSettings(command=("{python}", "-c", "import sys; print(sys.argv[1:])", "{input}:/in", "{output}"))
    run_app(settings, tmp_path / "a", tmp_path / "b", nothing, tmp_path / "log")
    assert (tmp_path / "log").read_text().strip() == str([f"{tmp_path / 'a'}:/in", str(tmp_path / "b")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("orthanc: {url: 'http://u:p@h'}", "orthanc.url"),
        ("orthanc: {password: x}", "password_file"),
        ("orthanc: {metadata: 5}", "orthanc.metadata"),
        ("nonsense: 1", "nonsense"),
        ("lease: {seconds: 10, heartbeat_s: 9}", "third"),
        ("targets: [{name: '../x'}]", "targets.0.name"),
        ("- 1", "sections"),
        ("a: [", "YAML"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, words: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    assert main(["check", "-c", str(path)]) == 2
    said = capfd.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_password_comes_from_environment_or_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ORTHANC__PASSWORD", "s3cret")
    settings = load_settings(None)
    assert settings.orthanc.password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_settings_error_never_quotes_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ORTHANC__METADATA", "s3cret")
    with pytest.raises(SettingsError) as error:
        load_settings(None)
    assert "s3cret" not in str(error.value)


def test_lease_must_outlive_two_beats() -> None:
    with pytest.raises(ValidationError):
        LeaseSettings(seconds=30, heartbeat_s=11)


uids = st.lists(st.integers(0, 9).map(lambda n: ResultSeries(uid=f"2.25.{n}", modality="CT", instances=1)), max_size=4)


@given(st.lists(st.one_of(uids, st.none()), max_size=6))
def test_every_result_series_is_current_or_to_be_withdrawn(history: list[list[ResultSeries] | None]) -> None:
    """Whatever sequence of plans and growths a job sees before it is stored: no result series is ever forgotten."""
    record = JobRecord(state=State.WAITING, key="0")
    ever: set[str] = set()
    for plan in history:
        record = record.regrown("1") if plan is None else record.planning(tuple(plan))
        ever |= {one.uid for one in plan or ()}
        current = {one.uid for one in record.results}
        assert current | set(record.superseded) == ever
        assert not current & set(record.superseded)
        assert parse_record(record.model_dump_json()) == record


def test_no_two_writes_are_alike() -> None:
    record = JobRecord(state=State.WAITING, key="0", updated=1.0)
    assert len({record.changed(updated=1.0).model_dump_json() for _ in range(100)}) == 100


def get(port: int, route: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{route}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_tells_whether_the_worker_is_well() -> None:
    health, port = Health(), free_port()
    server = serve(health, "127.0.0.1", port)
    try:
        assert get(port, "/health") == get(port, "/live") == (503, "the worker gives no sign of life\n")
        health.alive(60)
        assert get(port, "/health") == (503, "starting\n")
        assert get(port, "/live") == (200, "ok\n")
        health.trouble = ""
        assert get(port, "/health") == (200, "ok\n")
        health.jobs.labels("done").inc()
        status, text = get(port, "/metrics")
        assert status == 200
        assert 'pulmomap_gateway_jobs_total{outcome="done"} 1.0' in text
        assert get(port, "/other")[0] == 404
        listening = [one.laddr.ip for one in psutil.Process(os.getpid()).net_connections() if one.laddr.port == port]
        assert set(listening) == {"127.0.0.1"}
    finally:
        server.shutdown()
        server.server_close()


def test_stop_leaves_a_running_job_its_grace() -> None:
    stop = Stop(0.2)
    stop.check()
    stop.ask()
    stop.check()
    with pytest.raises(Stopped):
        stop.wait(30)


class Listing:
    """An Orthanc that lists series and has no changes, or changes of another database."""

    def __init__(self) -> None:
        self.series, self.last, self.changes = ["a", "b"], 10, list[dict[str, str]]()

    def get(self, route: str, **params: Any) -> Any:
        if route == "/series":
            return list(self.series)
        return {"Last": self.last, "Done": True, "Changes": self.changes}


def test_settled_series_are_left_alone_until_a_change_or_a_full_sweep() -> None:
    orthanc, now = Listing(), [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    discovery = Discovery(orthanc, DiscoverySettings(sweep_s=10, full_sweep_s=100), clock)  # type: ignore[arg-type]
    assert discovery.found() == ("a", "b")
    discovery.settle("a")
    assert discovery.found() == ()
    now[0] = 10
    assert discovery.found() == ("b",)
    orthanc.changes = [{"ChangeType": "StableSeries", "ResourceType": "Series", "ID": "a"}]
    assert discovery.found() == ("a",)
    orthanc.changes = []
    discovery.settle("a")
    discovery.settle("b")
    now[0] = 100
    assert discovery.found() == ("a", "b")
    discovery.settle("a")
    assert discovery.unsettled == 1
    discovery.look_at_all()
    assert discovery.found() == ("a", "b")
    assert discovery.unsettled == 2
    orthanc.series = ["b"]
    discovery.look_at_all()
    assert discovery.found() == ("b",)
    assert discovery.unsettled == 1, "a deleted series waits for nothing"


def test_timeout_names_the_limit(tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(JobError, match="APP_TIMEOUT"):
        run_app(python("import time; time.sleep(99)", timeout_s=0.5), tmp_path, tmp_path, nothing, tmp_path / "log")
    assert time.monotonic() - begin >= 0.5
