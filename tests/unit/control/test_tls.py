"""TLS between the command line and the service: both show a certificate, or nothing is said."""

import os
import shutil

import pytest

from control.errors import ExitStatus
from control.server import TlsFiles
from tests.support.certificates import Authority
from tests.unit.control.fake_appliance import FakeAppliance
from tests.unit.control.plant import running_plant

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None and os.environ.get("TICKWIRE_REQUIRE_DATA") != "1",
    reason="the command openssl makes the certificates")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    return ours, theirs


@pytest.fixture(scope="module")
def plant(world):
    ours, _ = world
    with running_plant(FakeAppliance(), files(ours, ours.sign("server"))) as plant:
        yield plant


def files(authority, signed):
    return TlsFiles(signed.key.read_bytes(), signed.certificate.read_bytes(),
                    authority.certificate.read_bytes())


def variables(authority, signed):
    return {"TICKWIRE_TLS_AUTHORITY": str(authority.certificate),
            "TICKWIRE_TLS_KEY": str(signed.key),
            "TICKWIRE_TLS_CERTIFICATE": str(signed.certificate)}


def test_with_certificates_of_one_authority_they_talk(plant, world):
    ours, _ = world
    answer = plant.json("status", **variables(ours, ours.sign("operator")))
    assert answer["status"]["version"] == "0.1.0"
    assert plant.json("kill", **variables(ours, ours.sign("operator")))["risk"]["killed"]


def test_a_server_of_another_authority_is_not_trusted(plant, world):
    ours, theirs = world
    beats = plant.registers.beats
    status, said = plant.refused("status", **variables(theirs, ours.sign("operator")))
    assert status == ExitStatus.UNREACHABLE
    assert said == ("tickwire: the server does not answer: its certificate is not of the authority "
                    "in TICKWIRE_TLS_AUTHORITY\n")
    plant.until(lambda: plant.registers.beats > beats)    # the service goes on


def test_a_client_of_another_authority_or_without_tls_is_not_served(plant, world):
    ours, theirs = world
    writes = list(plant.registers.writes)
    for given in (variables(ours, theirs.sign("operator")), {}):
        status, said = plant.refused("kill", **given)
        assert (status, "does it ask for TLS" in said) == (ExitStatus.UNREACHABLE, True), said
    assert ("risk.command", 4) not in plant.registers.writes[len(writes):]


def test_a_server_at_another_address_and_one_without_tls_are_not_trusted(world):
    ours, _ = world
    elsewhere = ours.sign("server", "DNS:tickwire.example")
    with running_plant(FakeAppliance(), files(ours, elsewhere)) as plant:
        said = plant.refused("status", **variables(ours, ours.sign("operator")))[1]
        assert "its certificate is for another address" in said
    with running_plant() as plant:
        said = plant.refused("status", **variables(ours, ours.sign("operator")))[1]
        assert "it speaks without TLS" in said


def test_files_that_are_missing_are_named(plant, world, tmp_path):
    ours, _ = world
    given = variables(ours, ours.sign("operator"))
    status, said = plant.refused("status", **{**given, "TICKWIRE_TLS_KEY": str(tmp_path / "none")})
    assert (status, "TICKWIRE_TLS_KEY must name a file" in said) == (ExitStatus.USAGE, True)
    del given["TICKWIRE_TLS_CERTIFICATE"]
    status, said = plant.refused("status", **given)
    assert (status, "TICKWIRE_TLS_CERTIFICATE is not" in said) == (ExitStatus.USAGE, True)
