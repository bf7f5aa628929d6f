"""The example of deploy/examples/nginx: a real nginx outside the domain, with a key that was exported once
and a chain that follows (S002-4, S002-7 to S002-12, S002-14, S002-15)."""

import pathlib
import shutil
import signal
import subprocess

import pytest
from domain import free_port
from process import wait_for
from records import openssl
from test_export import PASSWORD, add, export

NAME = "www.test.example"
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples/nginx"
RELOAD = ("sh", "-c", "nginx -t -q -p $1 -c $1/nginx.conf && nginx -s reload -p $1 -c $1/nginx.conf",
          "reload")


class Site:
    """A folder of another machine: key, password, chain, and the nginx of it."""

    def __init__(self, domain):
        self.domain, self.port = domain, free_port()
        self.folder = domain.folder / "site"
        self.folder.mkdir()
        self.key, self.cert = self.folder / f"{NAME}.key", self.folder / f"{NAME}.crt"
        self.password = self.folder / f"{NAME}.password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)
        self.ca = self.folder / "ca.pem"
        domain.cli("ca", "export", "default", "--out", self.ca)
        self.export()
        server = (EXAMPLE / "site.conf").read_text()
        server = server.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        server = server.replace("/etc/nginx/certherd", str(self.folder))
        server = server.replace("www.example.org", NAME).replace("/var/www/html", str(self.folder))
        self.config = self.folder / "nginx.conf"
        self.config.write_text(f"pid {self.folder}/pid;\nerror_log {self.folder}/error.log;\n"
                               "worker_processes 1;\nevents {}\n"
                               f"http {{ access_log off;\n{server} }}\n")

    def export(self):
        export(self.domain, NAME, "--stored-pem", "--out", self.key)

    def update(self, *command, status=0, name=NAME, **more):
        paths = {"KEY_PASSWORD_FILE": str(self.password), "CA_FILE": str(self.ca), **more}
        answer = subprocess.run([EXAMPLE / "update-chain", self.domain.port("web1"), name, self.key,
                                 self.cert, *command], capture_output=True, text=True, check=False,
                                timeout=60, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **paths})
        assert status is None or answer.returncode == status, answer
        left = [p.name for p in self.folder.glob(f"{NAME}.crt.*")]
        assert not left, left
        return answer.stdout + answer.stderr

    def shown(self):
        """The certificate that nginx serves."""
        got = openssl("s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", NAME,
                      "-CAfile", self.ca, "-verify_hostname", NAME, "-verify_return_error")
        return openssl("x509", stdin=got.stdout).stdout if got.returncode == 0 else None

    def stored(self):
        return openssl("x509", "-in", self.cert).stdout


@pytest.fixture
def site(pair):
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    add(pair)
    made = Site(pair)
    yield made
    pid = made.folder / "pid"
    if pid.exists():
        subprocess.run(["kill", f"-{signal.SIGQUIT.value}", pid.read_text().strip()], check=True)
        wait_for(lambda: not pid.exists(), 20, "the end of nginx")


def test_nginx_outside(site):
    """The chain comes, nginx takes the next one, a key that was replaced is said."""
    domain, reload = site.domain, (*RELOAD, site.folder)
    first = subprocess.run(["nginx", "-t", "-p", site.folder, "-c", site.config],
                           capture_output=True, check=False)
    assert first.returncode != 0, "a site without its chain is no site"
    assert "new chain" in site.update()
    subprocess.run(["nginx", "-p", site.folder, "-c", site.config], check=True)
    assert site.shown() == site.stored()
    assert "unchanged" in site.update("false")

    before = site.stored()
    domain.cli("cert", "renew", NAME)
    wait_for(lambda: "new chain" in site.update(*reload), 20, "the new chain")
    assert site.stored() != before
    wait_for(lambda: site.shown() == site.stored(), 20, "the new chain on nginx")

    held = site.stored()
    domain.cli("cert", "renew", NAME)
    wait_for(lambda: "chain of before is back" in site.update("false", status=None), 20, "a refusal")
    assert site.stored() == held and site.shown() == held

    domain.cli("cert", "rekey", NAME, "--reason", "new", "--export-password-file", site.password)
    wait_for(lambda: f"certherd cert export {NAME}" in site.update(*reload, status=None), 20,
             "a word about the key")
    assert site.stored() == held
    site.key.unlink()
    site.export()
    assert "new chain" in site.update(*reload)
    wait_for(lambda: site.shown() == site.stored() != held, 20, "the new key on nginx")


def test_refusals(site):
    """Each is a sentence, and the file stays as it was."""
    site.update()
    held = site.stored()
    cases = (({"name": "other.test.example"}, "no certificate"),
             ({"KEY_PASSWORD_FILE": ""}, "cannot be opened"),
             ({"CA_FILE": str(site.cert)}, "unable to get"))
    for more, text in cases:
        said = site.update(status=1, **more)
        assert text in said, said
        assert site.stored() == held
    assert "--help" in subprocess.run([EXAMPLE / "update-chain"], capture_output=True, text=True,
                                      check=False).stderr
