"""A thin typed layer over the part of Orthanc's REST API that the gateway needs (Orthanc 1.9.2 or later).

Metadata are written by compare-and-swap: Orthanc answers 409 or 412 when the ETag in ``If-Match`` is not that of the
present value, provided that its ``CheckRevisions`` option is on (Orthanc book, "Concurrent access and revisions").
With the SQLite index an ETag is a hash of the value alone, so a value must never be written twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from gateway.sections import OrthancSettings

_AWAY = frozenset({502, 503, 504})
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
Wait = Callable[[float], None]
_T = TypeVar("_T")


class OrthancAway(Exception):
    """Orthanc cannot be reached. Nothing is wrong with the job; it is taken up again later."""


class OrthancRefused(Exception):
    """Orthanc answered with an error. ``status`` is the HTTP status; the body may quote headers and is dropped."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"Orthanc answered {status} to {what}")
        self.status = status


class Conflict(Exception):
    """Somebody else wrote the metadata first."""


class TooMuch(Exception):
    """An answer is larger than the limit."""


class Orthanc:
    """One Orthanc server.

    Args:
        settings: where it is.
        wait: sleeps some seconds; may raise to break off.
    """

    def __init__(self, settings: OrthancSettings, wait: Wait = time.sleep) -> None:
        password = settings.password.get_secret_value()
        if settings.password_file is not None:
            password = settings.password_file.read_text(encoding="utf-8").partition("\n")[0].strip()
        self._http = httpx.Client(
            base_url=settings.url,
            auth=(settings.username, password) if settings.username else None,
            timeout=settings.timeout_s,
            verify=str(settings.ca_file) if settings.ca_file else True,
            trust_env=False,  # a hospital's web proxy has no business between these two
        )
        self._patience, self._wait, self._metadata = settings.patience_s, wait, settings.metadata
        self.reachable = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, route: str, **params: Any) -> Any:
        """The JSON at a route; None where there is nothing (404).

        Raises:
            OrthancAway, OrthancRefused.
        """
        response = self._send("GET", route, params=params)
        return None if response.status_code == 404 else response.json()

    def post(self, route: str, body: Any) -> Any:
        """POST JSON, or bytes as they are, and return the JSON of the answer."""
        content = {"content": body} if isinstance(body, bytes | str) else {"json": body}
        response = self._send("POST", route, **content)
        if response.status_code == 404:
            raise OrthancRefused(_what("POST", route), 404)
        return response.json() if response.content else None

    def delete(self, route: str) -> None:
        """Delete a resource; nothing happens where there is none."""
        self._send("DELETE", route)

    def get_limited(self, route: str, limit: int) -> bytes:
        """The bytes at a route, read no further than ``limit``.

        Raises:
            TooMuch, OrthancAway, OrthancRefused.
        """
        return self._patiently(lambda: b"".join(self._chunks(route, limit)))

    def download(self, route: str, path: Path, limit: int) -> int:
        """Write the bytes at a route to a file and return how many there were. Raises as :meth:`get_limited`."""

        def once() -> int:
            with path.open("wb") as stream:
                return sum(stream.write(chunk) for chunk in self._chunks(route, limit))

        return self._patiently(once)

    def read_metadata(self, series: str, *, patient: bool = True) -> tuple[str, str] | None:
        """The gateway's metadata of a series and its ETag; None where there is none."""
        response = self._send("GET", f"/series/{series}/metadata/{self._metadata}", patient=patient)
        return None if response.status_code == 404 else (response.text, response.headers["ETag"])

    def write_metadata(self, series: str, value: str, etag: str | None, *, patient: bool = True) -> str:
        """Replace the metadata if it still has this ETag (None: if there is none yet) and return the new ETag.

        Raises:
            Conflict: it has changed meanwhile, or the series is gone.
            OrthancAway, OrthancRefused.
        """
        route = f"/series/{series}/metadata/{self._metadata}"
        headers = {} if etag is None else {"If-Match": etag}
        response = self._send(
            "PUT", route, content=value.encode(), headers=headers, patient=patient, allowed=(409, 412)
        )
        if response.status_code in (404, 409, 412):
            raise Conflict
        return str(response.headers["ETag"])

    def _chunks(self, route: str, limit: int) -> Iterator[bytes]:
        total = 0
        with self._http.stream("GET", route) as response:
            _check(response, "GET", route, ())
            if response.status_code == 404:
                raise OrthancRefused(_what("GET", route), 404)
            for chunk in response.iter_bytes():
                total += len(chunk)
                if total > limit:
                    raise TooMuch
                yield chunk

    def _send(
        self, method: str, route: str, *, patient: bool = True, allowed: tuple[int, ...] = (), **options: Any
    ) -> httpx.Response:
        def once() -> httpx.Response:
            response = self._http.request(method, route, **options)
            _check(response, method, route, allowed)
            return response

        return self._patiently(once, self._patience if patient else 0.0)

    def _patiently(self, once: Callable[[], _T], patience: float | None = None) -> _T:
        """Try until Orthanc answers or the patience ends. Every request that is sent here may be sent twice."""
        deadline = time.monotonic() + (self._patience if patience is None else patience)
        pause = _FIRST_PAUSE_S
        while (answer := self._attempt(once)) is None:
            if time.monotonic() + pause > deadline:
                raise OrthancAway("Orthanc cannot be reached")
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        return answer

    def _attempt(self, once: Callable[[], _T]) -> _T | None:
        try:
            answer = once()
        except (httpx.TransportError, OrthancAway):
            self.reachable = False
            return None
        self.reachable = True
        return answer


def _check(response: httpx.Response, method: str, route: str, allowed: tuple[int, ...]) -> None:
    if response.status_code in _AWAY:
        raise OrthancAway
    if response.status_code >= 400 and response.status_code not in (404, *allowed):
        raise OrthancRefused(_what(method, route), response.status_code)


def _what(method: str, route: str) -> str:
    """The request without the ids in it."""
    return f"{method} /{route.strip('/').split('/')[0]}"
