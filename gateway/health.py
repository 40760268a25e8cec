"""Health and Prometheus metrics, on loopback unless told otherwise. No label and no number names a patient."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

_MINUTES = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)


class Health:
    """What the worker tells about itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "pulmomap_gateway_"
        self.jobs = Counter(f"{name}jobs", "Jobs by outcome", ["outcome"], registry=self.registry)
        self.faults = Counter(f"{name}faults", "Failed attempts by fault", ["code"], registry=self.registry)
        self.stage = Histogram(
            f"{name}stage_seconds", "Wall time by stage", ["stage"], buckets=_MINUTES, registry=self.registry
        )
        self.busy = Gauge(f"{name}busy", "1 while a job is running", registry=self.registry)
        self.unsettled = Gauge(f"{name}unsettled_series", "Series that wait, run or arrive", registry=self.registry)
        self.orthanc = Gauge(f"{name}orthanc_up", "1 if Orthanc answered last time", registry=self.registry)
        self.space = Gauge(f"{name}free_bytes", "Free disk beyond the reserve", registry=self.registry)
        self.last_done = Gauge(f"{name}last_done_timestamp_seconds", "When a job was last done", registry=self.registry)
        self.alive_until = 0.0
        self.trouble = "starting"

    def alive(self, for_s: float) -> None:
        """The worker is at work; if nothing is heard for so long, it hangs."""
        self.alive_until = time.monotonic() + for_s

    def life(self) -> tuple[bool, str]:
        """Whether this worker goes on, and one sentence. What another part's fault is, a restart does not mend."""
        living = time.monotonic() <= self.alive_until
        return living, "ok" if living else "the worker gives no sign of life"

    def verdict(self) -> tuple[bool, str]:
        """Whether this worker is well and can work, and one sentence."""
        living, sentence = self.life()
        return (False, self.trouble) if living and self.trouble else (living, sentence)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Requests are no news."""


def serve(health: Health, address: str, port: int) -> WSGIServer:
    """Serve ``/health`` and ``/live`` (200 or 503) and ``/metrics`` in the background.

    Raises:
        OSError: the port is taken.
    """
    server = make_server(address, port, _application(health), _Server, _Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _application(health: Health) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    metrics = make_wsgi_app(health.registry)
    answers = {"/health": health.verdict, "/live": health.life}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return cast("Iterable[bytes]", metrics(environ, start_response))
        if environ["PATH_INFO"] not in answers:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/health, /live or /metrics\n"]
        well, sentence = answers[environ["PATH_INFO"]]()
        start_response("200 OK" if well else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [f"{sentence}\n".encode()]

    return application
