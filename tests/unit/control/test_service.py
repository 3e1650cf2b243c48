"""The service itself: statuses, health, reflection, where it listens, and its descriptions."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tickwire.v1 import (
    limits_service_pb2,
    limits_service_pb2_grpc,
    risk_service_pb2,
    risk_service_pb2_grpc,
    strategy_service_pb2,
    strategy_service_pb2_grpc,
    symbol_service_pb2,
    symbol_service_pb2_grpc,
)

from control.client.failures import error_of_call
from control.errors import ControlError, Reason
from control.server import SERVICES, TlsFiles, is_loopback, make_server
from control.service.status import status_of_error
from proto.stubs import SOURCES, build_stubs
from tests.unit.control.plant import running_plant


@pytest.fixture
def plant():
    with running_plant() as plant:
        yield plant


@pytest.fixture
def channel(plant):
    with grpc.insecure_channel(plant.address) as channel:
        yield channel


def details(error):
    (raw,) = [value for key, value in error.trailing_metadata()
              if key == "grpc-status-details-bin"]
    return status_pb2.Status.FromString(raw)


def test_an_error_is_a_status_with_its_reason(channel):
    stub = symbol_service_pb2_grpc.SymbolServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.UpdateSymbol(symbol_service_pb2.UpdateSymbolRequest(
            symbol=symbol_service_pb2.Symbol(symbol="AAPL@XNAS", tick_size_e4=0)))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = details(caught.value)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info) and status.details[1].Unpack(request)
    assert (info.reason, info.domain) == ("INVALID_FIELD", "tickwire")
    assert request.field_violations[0].field == "tick_size_e4"
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_unspecified_values_and_unknown_fields_are_refused(channel):
    symbols = symbol_service_pb2_grpc.SymbolServiceStub(channel)
    symbols.UpdateSymbol(symbol_service_pb2.UpdateSymbolRequest(
        symbol=symbol_service_pb2.Symbol(symbol="A", tick_size_e4=1)))
    strategies = strategy_service_pb2_grpc.StrategyServiceStub(channel)
    with pytest.raises(grpc.RpcError, match="price_reference must be"):
        strategies.UpdateStrategy(strategy_service_pb2.UpdateStrategyRequest(
            strategy=strategy_service_pb2.Strategy(symbol="A", quantity=5)))
    limits = limits_service_pb2_grpc.LimitsServiceStub(channel)
    with pytest.raises(grpc.RpcError, match="update_mask must be some of"):
        limits.UpdateSessionLimits(limits_service_pb2.UpdateSessionLimitsRequest(
            update_mask={"paths": ["colour"]}))


def test_missing_things_are_listed(channel):
    with pytest.raises(grpc.RpcError) as caught:
        risk_service_pb2_grpc.RiskServiceStub(channel).Arm(risk_service_pb2.ArmRequest())
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    info, failure = error_details_pb2.ErrorInfo(), error_details_pb2.PreconditionFailure()
    status = details(caught.value)
    assert status.details[0].Unpack(info) and status.details[1].Unpack(failure)
    assert info.metadata["missing_0"] == "no symbol is watched"
    assert failure.violations[0].type == "NOT_READY"


def test_an_error_comes_back_as_it_was():
    class Call:
        def __init__(self, error):
            self.status = status_of_error(error)

        def code(self):
            return grpc.StatusCode.UNAVAILABLE

        def details(self):
            return self.status.message

        def trailing_metadata(self):
            return (("grpc-status-details-bin", self.status.SerializeToString()),)

    error = ControlError(Reason.DEVICE_UNREACHABLE, "gone", metadata={"a": "b"})
    found = error_of_call(Call(error))
    assert (found.reason, found.message, found.metadata) == (error.reason, "gone", {"a": "b"})


def test_health_and_reflection_are_served(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", *SERVICES):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="none"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    (answer,) = reflection.ServerReflectionInfo(iter([
        reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in answer.list_services_response.service}
    assert set(SERVICES) < names


@pytest.mark.parametrize("address, loopback", [
    ("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("127.9.9.9:1", True),
    ("0.0.0.0:1", False), ("[::]:1", False), ("10.0.0.1:1", False), ("example.org:1", False),
    (":1", False), ("unix:/tmp/x", False)])
def test_loopback_is_known(address, loopback):
    assert is_loopback(address) is loopback


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "10.0.0.1:0", "unix:/tmp/x"])
def test_others_are_not_served_without_tls(address):
    with pytest.raises(ControlError, match="a loopback address, or one with TLS"):
        make_server(None, address)


def test_a_taken_port_is_told(plant):
    def attempt():
        with pytest.raises(ControlError, match="an address that can be had"):
            make_server(plant.appliance, plant.address)
    plant.call(attempt)


def test_tls_needs_usable_files(plant):
    def attempt():
        with pytest.raises((ControlError, ValueError)):
            make_server(plant.appliance, "127.0.0.1:0", TlsFiles(b"", b"", b""))
    plant.call(attempt)


def test_server_process_serves_until_it_is_told_to_end(plant):
    """The command itself; it takes the appliance over from the plant's service."""
    device = plant.call(lambda: plant.fake.transport.get_extra_info("sockname")[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with subprocess.Popen(
            [sys.executable, "-m", "control", "serve", "--device", f"127.0.0.1:{device}",
             "--listen", listen, "--take-over"], stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        assert f"listening on {listen}" in line, line
        assert plant.json("status", "--server", listen)["status"]["version"] == "0.1.0"
        assert plant.json("kill", "--server", listen)["risk"]["killed"]
        process.terminate()
        assert process.wait(10) == 0
        process.stderr.read()


def test_server_without_an_appliance_is_unreachable(plant):
    status, said = plant.refused("serve", "--device", "127.0.0.1:1", "--wait-s", "0.2")
    assert (status, "no answer from the appliance" in said) == (4, True)
    assert plant.refused("serve", "--device", "127.0.0.1:x")[0] == 2
    assert plant.refused("serve", "--device", "h", "--tls-key", "x")[0] == 2


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_everything_in_a_description_has_a_comment_and_a_good_name(source):
    lines = source.read_text(encoding="utf-8").splitlines()
    service = ""
    for number, line in enumerate(lines):
        text = line.strip()
        if re.match(r"(service|rpc|message|enum)\b|.*= \d+;$|.*= \d+ ", text):
            assert lines[number - 1].strip().startswith("//"), text
        if found := re.match(r"service (\w+)", text):
            service = found[1]
            assert f"tickwire.v1.{service}" in SERVICES
        if found := re.match(r"rpc (\w+)\((\w+)\) returns \((?:stream )?(\w+)\);", text):
            assert found[2] == f"{found[1]}Request" and found[3] == f"{found[1]}Response"
        if found := re.match(r"\w+_UNSPECIFIED = (\d+);", text):
            assert found[1] == "0"
    assert "package tickwire.v1;" in lines
    assert Path(source).name == "types.proto" or service


def test_stubs_are_built_where_they_are_wanted(tmp_path):
    package = build_stubs(tmp_path)
    assert package == tmp_path / "tickwire" / "v1"
    assert (package / "risk_service_pb2_grpc.py").exists()
    assert (package / "risk_service_pb2.pyi").exists()
