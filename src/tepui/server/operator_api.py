"""What the operator APIs of master and agent have in common: calls that need no core (files, logging level)."""

from __future__ import annotations

from typing import Any

from tepui.model.message import WireMessage
from tepui.model.operators import time_info
from tepui.model.v1 import agent, master
from tepui.model.v1.mesos import FileInfo
from tepui.server.endpoints import answer_files_error
from tepui.server.files import FileEntry, Files, FilesError
from tepui.server.log import LoggingLevel
from tepui.transport.hot import HotRequest
from tepui.wire.media import MediaType, encode

Call = master.Call | agent.Call


class ShellCalls:
    """Answers LIST_FILES, READ_FILE, GET_LOGGING_LEVEL and SET_LOGGING_LEVEL of either API."""

    def __init__(
        self,
        files: Files,
        level: LoggingLevel,
        response: type[master.Response] | type[agent.Response],
    ) -> None:
        """`response` is the API's own; the members used here have the same names in both."""
        self._files = files
        self._level = level
        self._response: Any = response

    def answer(self, request: HotRequest, call: Call, media: MediaType) -> bool:
        """Answer the call if it is one of those; tells whether it was."""
        kind = "" if call.type is None else call.type.value
        if kind == "LIST_FILES" and call.list_files is not None:
            self._list_files(request, call.list_files.path, media)
        elif kind == "READ_FILE" and call.read_file is not None:
            wanted = call.read_file
            self._read_file(request, wanted.path, wanted.offset, wanted.length, media)
        elif kind == "GET_LOGGING_LEVEL":
            told = self._response.GetLoggingLevel(level=self._level.get())
            self._answer(request, media, "GET_LOGGING_LEVEL", get_logging_level=told)
        elif kind == "SET_LOGGING_LEVEL" and call.set_logging_level is not None:
            level = call.set_logging_level
            self._set_level(request, level.level, level.duration.nanoseconds / 1e9)
        else:
            return False
        return True

    def _list_files(self, request: HotRequest, path: str, media: MediaType) -> None:
        try:
            found = [file_info(entry) for entry in self._files.browse(path)]
        except FilesError as error:
            answer_files_error(request, error)
            return
        self._answer(request, media, "LIST_FILES", list_files=self._response.ListFiles(file_infos=found))

    def _read_file(self, request: HotRequest, path: str, offset: int, length: int | None, media: MediaType) -> None:
        try:
            size, data = self._files.read(path, offset, length)
        except FilesError as error:
            answer_files_error(request, error)
            return
        self._answer(request, media, "READ_FILE", read_file=self._response.ReadFile(size=size, data=data))

    def _set_level(self, request: HotRequest, level: int, seconds: float) -> None:
        refused = self._level.set(level, seconds)
        if refused is None:
            request.answer(200)
        else:
            request.answer_text(400, refused)

    def _answer(self, request: HotRequest, media: MediaType, kind: str, **member: WireMessage) -> None:
        message = self._response(type=self._response.Type[kind], **member)
        request.answer(200, encode(media, message), media.value)


def file_info(entry: FileEntry) -> FileInfo:
    """A file as LIST_FILES tells it."""
    return FileInfo(
        path=entry.path,
        nlink=entry.nlink,
        size=entry.size,
        mtime=time_info(entry.mtime_seconds),
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
    )
