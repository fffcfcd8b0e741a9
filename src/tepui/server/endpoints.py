"""Endpoints that master and agent answer alike, without asking their cores: files, logging, version, system."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from tepui.server.exchange import answer_plain
from tepui.server.files import Files, FilesError
from tepui.server.log import LoggingLevel
from tepui.server.system import system_stats
from tepui.transport.hot import Handler, HotRequest
from tepui.transport.http import text
from tepui.wire.text import TextError, parse_duration

QUERY_FIELDS_MAX = 100
_EXPECTING_PATH = "Expecting 'path=value' in query.\n"


def read_query(request: HotRequest) -> dict[str, str] | None:
    """The first value of each parameter; None after answering that the query cannot be read."""
    return _first_values(request, request.query.encode())


def read_form(request: HotRequest) -> dict[str, str] | None:
    """The first value of each field of a form body; None after answering that it is none."""
    return _first_values(request, request.body)


def _first_values(request: HotRequest, encoded: bytes) -> dict[str, str] | None:
    found: dict[str, str] = {}
    try:
        for name, value in parse_qsl(encoded.decode(), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX):
            found.setdefault(name, value)
    except ValueError:
        why = f"it is not UTF-8, or has more than {QUERY_FIELDS_MAX} fields"
        request.answer_text(400, f"Unable to decode query string: {why}.")
        return None
    return found


def _read_path(request: HotRequest) -> tuple[dict[str, str], str] | None:
    """The query and the path that it names; None after answering that it names none."""
    query = read_query(request)
    if query is None:
        return None
    path = query.get("path", "")
    if not path:
        request.answer_text(400, _EXPECTING_PATH)
        return None
    return query, path


class CommonEndpoints:
    """The endpoints of the processes that master and agent both run beside themselves."""

    def __init__(self, files: Files, level: LoggingLevel, build: dict[str, object]) -> None:
        self._files = files
        self._level = level
        self._build = build

    def routes(self) -> dict[str, Handler]:
        """Handlers by path; /files/download is served by `download`, because it can be long."""
        return {
            "/version": self.version,
            "/system/stats.json": self.system,
            "/logging/toggle": self.toggle,
            "/files/browse": self.browse,
            "/files/read": self.read,
            "/files/debug": self.debug,
        }

    def version(self, request: HotRequest) -> None:
        """/version"""
        query = read_query(request)
        if query is not None:
            answer_plain(request, self._build, query.get("jsonp"))

    def system(self, request: HotRequest) -> None:
        """/system/stats.json"""
        query = read_query(request)
        if query is not None:
            answer_plain(request, system_stats(), query.get("jsonp"))

    def toggle(self, request: HotRequest) -> None:
        """/logging/toggle: tells the level, or raises it for a time."""
        query = read_query(request)
        if query is None:
            return
        if not query:
            request.answer_text(200, f"{self._level.get()}\n")
            return
        if "level" not in query:
            request.answer_text(400, "Expecting 'level=value' in query.\n")
            return
        if "duration" not in query:
            request.answer_text(400, "Expecting 'duration=value' in query.\n")
            return
        try:
            level, seconds = int(query["level"]), parse_duration(query["duration"])
        except (ValueError, TextError) as error:
            request.answer_text(400, f"{error}.\n")
            return
        refused = self._level.set(level, seconds)
        if refused is None:
            request.answer(200)
        else:
            request.answer_text(400, f"{refused}\n")

    def browse(self, request: HotRequest) -> None:
        """/files/browse: what is in a folder."""
        asked = _read_path(request)
        if asked is None:
            return
        query, path = asked
        try:
            entries = self._files.browse(path)
        except FilesError as error:
            answer_files_error(request, error)
            return
        found = [
            {
                "gid": entry.gid,
                "mode": entry.mode_text,
                "mtime": float(entry.mtime_seconds),
                "nlink": entry.nlink,
                "path": entry.path,
                "size": entry.size,
                "uid": entry.uid,
            }
            for entry in entries
        ]
        answer_plain(request, found, query.get("jsonp"))

    def read(self, request: HotRequest) -> None:
        """/files/read: a piece of a file."""
        asked = _read_path(request)
        if asked is None:
            return
        query, path = asked
        numbers: dict[str, int | None] = {}
        for name in ("offset", "length"):
            try:
                numbers[name] = int(query[name]) if name in query else None
            except ValueError:
                request.answer_text(400, f"Failed to parse {name}: Failed to convert '{query[name]}' to number.\n")
                return
        try:
            size, data = self._files.read(path, numbers["offset"], numbers["length"])
        except FilesError as error:
            answer_files_error(request, error)
            return
        offset = numbers["offset"]
        shown = size if offset is None or offset < 0 else offset
        answer_plain(request, {"data": data.decode("utf-8", "replace"), "offset": shown}, query.get("jsonp"))

    def debug(self, request: HotRequest) -> None:
        """/files/debug: all virtual paths."""
        query = read_query(request)
        if query is not None:
            answer_plain(request, self._files.attached(), query.get("jsonp"))

    async def download(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /files/download: the file itself, however long; ranges are understood."""
        path = request.query.get("path", "")
        if not path:
            return text(400, _EXPECTING_PATH)
        try:
            real = self._files.resolve(path)
        except FilesError:
            return web.Response(status=404, headers={"Content-Type": "text/plain; charset=utf-8"})
        if real.is_dir():
            return text(400, "Cannot download a directory.\n")
        name = real.name.replace('"', "")
        return web.FileResponse(real, headers={"Content-Disposition": f"attachment; filename={name}"})


def answer_health(request: HotRequest) -> None:
    """200: the process is alive."""
    request.answer(200)


def answer_files_error(request: HotRequest, error: FilesError) -> None:
    """A file that cannot be shown; Mesos answers 404 without a body here, but with its type."""
    if error.status == 404:
        request.answer(404, b"", "text/plain; charset=utf-8")
    else:
        request.answer_text(error.status, str(error))
