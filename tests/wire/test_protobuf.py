"""Protobuf: the descriptors are those of Mesos, messages survive the way, and bad bytes get Mesos's sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tepui.model.message import WireMessage
from tepui.model.v1 import agent, executor, master, scheduler
from tepui.model.v1.mesos import (
    ExecutorID,
    Filters,
    FrameworkID,
    FrameworkInfo,
    RLimitInfo,
    TaskID,
    TaskState,
    TaskStatus,
    VersionInfo,
)
from tepui.wire.errors import DecodeError
from tepui.wire.protobuf import decode_protobuf, encode_protobuf, file_descriptor_set
from tests.conformance.captures import PROTOCOL_DIRECTORY
from tests.wire.messages import all_kinds, random_message

_CHECKER = PROTOCOL_DIRECTORY / "check_descriptor.py"


@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from(all_kinds()), seed=st.integers(min_value=0, max_value=2**64))
def test_protobuf_gives_back_every_message(kind: type[WireMessage], seed: int) -> None:
    message = random_message(Random(seed), kind)
    assert decode_protobuf(kind, encode_protobuf(message)) == message


@pytest.mark.skipif(not _CHECKER.is_file(), reason=f"the facts about the protocol are not there ({_CHECKER})")
def test_the_descriptors_are_those_of_mesos(tmp_path: Path) -> None:
    described = tmp_path / "tepui.descriptors"
    described.write_bytes(file_descriptor_set())
    check = subprocess.run(
        [sys.executable, str(_CHECKER), "--strict", str(described)], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stdout) == (0, "")


def test_a_process_that_sees_only_json_does_not_load_the_protobuf_package() -> None:
    program = (
        "import sys; from tepui.wire.media import MediaType, decode; from tepui.model.v1.scheduler import Call;"
        "decode(MediaType.JSON, Call, b'{}'); before = 'google.protobuf' in sys.modules;"
        "decode(MediaType.PROTOBUF, Call, b''); print(before, 'google.protobuf' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False True\n"


def test_bytes_as_mesos_wrote_them() -> None:
    # Recorded: GET_VERSION and its answer.
    assert decode_protobuf(master.Call, bytes.fromhex("0803")) == master.Call(type=master.Call.Type.GET_VERSION)
    recorded = bytes.fromhex(
        "08 03 22 62 0a 60 0a 06 31 2e 31 31 2e 30 12 13 32 30 32 30 2d 31 31 2d 32 34 20 31 35 3a 33 38 3a 33 37 19 00"
        "00 40 3f 4a ef d7 41 22 06 75 62 75 6e 74 75 2a 28 30 34 62 63 37 65 65 31 39 38 34 64 38 36 66 62 62 30 62 64"
        "37 38 32 63 63 63 36 39 63 65 34 34 63 31 33 61 65 34 62 39 3a 06 31 2e 31 31 2e 30"
    )
    response = master.Response(
        type=master.Response.Type.GET_VERSION,
        get_version=master.Response.GetVersion(
            version_info=VersionInfo(
                version="1.11.0",
                build_date="2020-11-24 15:38:37",
                build_time=1606232317.0,
                build_user="ubuntu",
                git_sha="04bc7ee1984d86fbb0bd782ccc69ce44c13ae4b9",
                git_tag="1.11.0",
            )
        ),
    )
    assert decode_protobuf(master.Response, recorded) == response
    assert encode_protobuf(response) == recorded


def test_zero_is_not_unset() -> None:
    status = TaskStatus(
        task_id=TaskID(value=""), state=TaskState.TASK_STARTING, source=TaskStatus.Source.SOURCE_MASTER, healthy=False
    )
    assert encode_protobuf(status) == bytes.fromhex("0a 02 0a 00 10 00 40 00 48 00")
    assert decode_protobuf(TaskStatus, encode_protobuf(status)) == status


def test_an_unset_field_reads_as_its_default() -> None:
    assert decode_protobuf(Filters, b"") == Filters(refuse_seconds=5.0)
    info = decode_protobuf(FrameworkInfo, bytes.fromhex("0a 01 75 12 01 6e"))
    assert info == FrameworkInfo(user="u", name="n", failover_timeout=0.0, checkpoint=False, role=None)


def test_numbers_that_an_enum_does_not_know_and_unknown_fields_are_passed_over() -> None:
    # type = 99, field 1000 = "abc".
    assert decode_protobuf(scheduler.Call, bytes.fromhex("10 63 c2 3e 03 61 62 63")) == scheduler.Call()


def test_a_number_beyond_63_bits_is_the_largest() -> None:
    # RLimit.hard = 2**64 - 1.
    limit = decode_protobuf(RLimitInfo.RLimit, bytes.fromhex("10 ff ff ff ff ff ff ff ff ff 01"))
    assert limit.hard == 2**63 - 1


def test_text_that_is_not_utf_8_is_read_as_well_as_it_can_be() -> None:
    call = decode_protobuf(scheduler.Call, bytes.fromhex("0a 04 0a 02 ff 61"))
    assert call.framework_id == FrameworkID(value="\ufffda")
    info = decode_protobuf(FrameworkInfo, bytes.fromhex("0a 01 75 12 01 6e 62 02 ff 61"))
    assert info.roles == ["\ufffda"]


def test_messages_without_fields_are_present() -> None:
    call = executor.Call(
        executor_id=ExecutorID(value="e"), framework_id=FrameworkID(value="f"), subscribe=executor.Call.Subscribe()
    )
    assert decode_protobuf(executor.Call, encode_protobuf(call)).subscribe == executor.Call.Subscribe()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff\xff",  # recorded: broken bytes
        bytes.fromhex("0a 00"),  # framework_id without its value
        bytes.fromhex("0a 05 0a 7f"),  # cut short
    ],
)
def test_bytes_that_are_no_call(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_protobuf(scheduler.Call, data)
    assert caught.value.sentence == "Failed to parse body into Call protobuf"


def test_hostile_nesting_gives_an_error() -> None:
    nested = b""
    for _ in range(20_000):
        size, length = len(nested), b""
        while size >= 128:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        nested = b"\x12" + length + bytes([size]) + nested
    with pytest.raises(DecodeError, match="Failed to parse body into WaitContainer protobuf"):
        decode_protobuf(agent.Call.WaitContainer, b"\x0a" + nested[1:])
