"""`library certs`: an authority and certificates of a small site, made, renewed and listed."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from library_cli.__main__ import main
from library_cli.certs.authority import Issued, hosts_of, issue, make_authority
from library_cli.certs.folder import NAMES, SERVERS, CertificateFolder
from library_cli.transport import ClientFiles, choose, chosen
from library_cli.up import tls_problem

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def certs(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["certs", *map(str, arguments)])


def read(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def test_init_writes_certificates_that_clients_accept_and_keys_that_only_the_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    made = certs("init", "--folder", folder, "--host", "library.example", "--host", "192.0.2.7")
    assert made.exit_code == 0, made.output
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        f"{name}{ending}" for name in ("ca", *NAMES) for ending in (".pem", "-key.pem")
    )
    policy = PolicyBuilder().store(Store([read(folder, "ca")]))
    for name in SERVERS:
        certificate = read(folder, name)
        for host in ("localhost", "library.example", name):
            policy.build_server_verifier(x509.DNSName(host)).verify(certificate, [])
        for host in ("127.0.0.1", "::1", "192.0.2.7"):
            policy.build_server_verifier(x509.IPAddress(ip_address(host))).verify(certificate, [])
        policy.build_client_verifier().verify(certificate, [])
    client = read(folder, "client")
    purposes = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (list(purposes), hosts_of(client)) == ([ExtendedKeyUsageOID.CLIENT_AUTH], [])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {name: 0o600 if name.endswith("-key.pem") else 0o644 for name in modes}
    for line in (f"LIBRARY_ADMIN_TLS_CERT={folder}/admin.pem", f"LIBRARY_CA={folder}/ca.pem"):
        assert f"  export {line}\n" in made.output
    assert f"curl --cacert {folder}/ca.pem https://localhost:8080" in made.output
    assert f"sudo cp {folder}/ca.pem /usr/local/share/ca-certificates/lending-library.crt" in made.output
    assert "PRIVATE KEY" not in made.output


def test_init_replaces_no_authority(tmp_path: Path) -> None:
    assert certs("init", "--folder", tmp_path).exit_code == 0
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    again = certs("init", "--folder", tmp_path)
    assert (again.exit_code, "library certs renew" in again.output) == (1, True)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("host", ["library example", "", "a..b", "bücher.example", "https://library.example"])
def test_init_refuses_what_is_not_a_host(tmp_path: Path, host: str) -> None:
    refused = certs("init", "--folder", tmp_path / "certs", "--host", host)
    assert (refused.exit_code, "is not a host name" in refused.output) == (1, True)
    assert not (tmp_path / "certs").exists()


def test_renew_makes_new_keys_for_the_same_names(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    certs("init", "--folder", folder, "--host", "library.example")
    before = {name: read(folder, name) for name in ("ca", *NAMES)}
    assert certs("renew", "--folder", folder).output == "Renewed: admin, frontend, rest, client.\n"
    after = {name: read(folder, name) for name in before}
    assert after.pop("ca") == before.pop("ca")
    for name, certificate in after.items():
        assert certificate.public_key() != before[name].public_key()
        assert hosts_of(certificate) == hosts_of(before[name])
        issued = Issued.from_pem((folder / f"{name}.pem").read_bytes(), (folder / f"{name}-key.pem").read_bytes())
        assert issued.key.public_key() == certificate.public_key()
    assert certs("renew", "--folder", folder, "--within", "30").output == "Nothing was to be renewed.\n"
    certs("renew", "--folder", folder, "--within", "30", "--host", "new.example")
    assert hosts_of(read(folder, "rest")) == [*hosts_of(before["rest"]), "new.example"]
    assert hosts_of(read(folder, "client")) == []


def test_only_what_ends_soon_is_renewed_and_it_ends_with_its_authority(tmp_path: Path) -> None:
    folder = CertificateFolder(tmp_path)
    folder.make(["localhost"], NOW)
    later = NOW + timedelta(days=380)
    assert folder.renew([], later, within_days=10) == []
    assert folder.renew([], later, within_days=30) == list(NAMES)
    last = NOW + timedelta(days=3_649)
    folder.renew([], last)
    assert read(tmp_path, "admin").not_valid_after_utc == NOW + timedelta(days=3_650)
    authority = make_authority("Test", NOW)
    assert issue(authority, "client", [], NOW).certificate.not_valid_before_utc < NOW


def test_show_lists_the_certificates_and_warns_before_their_end(tmp_path: Path) -> None:
    certs("init", "--folder", tmp_path, "--host", "library.example")
    shown = certs("show", "--folder", tmp_path)
    assert shown.exit_code == 0, shown.output
    rows = [line.split("\t") for line in shown.output.splitlines()]
    assert [row[0] for row in rows] == ["ca", *NAMES]
    assert "library.example" in rows[1][2]
    old = CertificateFolder(tmp_path / "old")
    old.make(["localhost"], datetime.now(UTC) - timedelta(days=370))
    ending = certs("show", "--folder", tmp_path / "old")
    assert ending.exit_code == 1
    assert "Within 30 days end: admin, frontend, rest, client. Run: library certs renew" in ending.output
    (tmp_path / "old" / "rest.pem").write_text("text")
    assert "rest.pem does not contain a certificate" in certs("show", "--folder", tmp_path / "old").output
    assert "library certs init" in certs("show", "--folder", tmp_path / "missing").output


def test_the_files_of_a_client_are_checked_before_a_call(tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("text")
    for ca in (text, tmp_path / "missing.pem"):
        refused = CliRunner().invoke(main, ["--ca", str(ca), "health", "127.0.0.1:1"])
        assert (refused.exit_code, f"cannot be used ({ca})" in refused.output) == (1, True), refused.output
        refused = CliRunner().invoke(main, ["--ca", str(ca), "health", "https://127.0.0.1:1"])
        assert (refused.exit_code, f"cannot be used ({ca})" in refused.output) == (1, True), refused.output
    alone = CliRunner().invoke(main, ["--client-cert", str(text), "health", "127.0.0.1:1"])
    assert (alone.exit_code, "--client-key" in alone.output) == (2, True)
    assert chosen() == ClientFiles(), "a command leaves nothing behind for the next one in this process"


@pytest.mark.parametrize(
    ("with_tls", "ca", "problem"),
    [
        ("", "", ""),
        ("ADMIN FRONTEND REST", "ca.pem", ""),
        ("ADMIN FRONTEND", "ca.pem", ""),
        ("", "ca.pem", "no service has a certificate"),
        ("ADMIN FRONTEND", "", "Set --ca"),
        ("REST", "", "Set --ca"),
        ("REST", "ca.pem", "both services"),
        ("ADMIN", "ca.pem", "both services"),
    ],
)
def test_up_refuses_services_that_could_not_reach_each_other(with_tls: str, ca: str, problem: str) -> None:
    choose(ClientFiles(ca))
    try:
        found = tls_problem({f"LIBRARY_{name}_TLS_CERT": "file.pem" for name in with_tls.split()})
    finally:
        choose(ClientFiles())
    assert problem in found
    assert bool(problem) == bool(found)


def test_up_does_not_use_the_authority_of_a_context(tmp_path: Path) -> None:
    """Its services are on this machine, and those of the context elsewhere."""
    environment = {
        "LIBRARY_CONFIG_DIR": str(tmp_path / "config"),
        "LIBRARY_CONTEXT": "",
        "LIBRARY_ADMIN_TLS_CERT": "admin.pem",
    }

    def run(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(main, arguments)

    saved = run("context", "set", "town", "--ca", "town.pem", "--frontend-target", "library.example:50051")
    assert saved.exit_code == run("context", "use", "town").exit_code == 0, saved.output
    started = run("up", "--data-dir", str(tmp_path / "data"))
    assert (started.exit_code, "Set --ca" in started.output) == (1, True), started.output
