"""Servers with TLS behind STARTTLS: those of Debian as they are installed, and small ones of our own
that say whatever a test wants."""

import os
import pathlib
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

from domain import free_port
from process import Failure, wait_for


class Real:
    """A program in the foreground, with a folder of its own that other users may enter."""

    protocol = greeting = None

    def __init__(self, chain, key):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="certherd-test-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        self.cert.write_bytes(chain)
        self.key.write_bytes(key)
        self.key.chmod(0o600)
        self.log = open(self.folder / "log", "ab")
        self.child = subprocess.Popen(self.prepare(), stdout=self.log, stderr=self.log,
                                      stdin=subprocess.DEVNULL, **self.options())
        try:
            wait_for(self.answers, 20, f"{type(self).__name__} to listen")
        except Failure as failure:
            text = (self.folder / "log").read_text(errors="replace")[-3000:]
            self.stop()
            raise Failure(f"{failure}\n{text}") from None

    @staticmethod
    def missing():
        """Why it cannot be started here, or None."""
        raise NotImplementedError

    def options(self):
        return {}

    def answers(self):
        if self.child.poll() is not None:
            raise Failure(f"{type(self).__name__} ended with {self.child.returncode}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    @property
    def address(self):
        return f"{self.protocol}://127.0.0.1:{self.port}"

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def is_missing(program, *users):
    """Why it cannot be used: not there, a user of its package is not there, not root."""
    if shutil.which(program) is None and not pathlib.Path(program).exists():
        return f"{program} is not installed"
    if os.getuid() != 0:
        return f"{program} is started by root only"
    for user in users:
        try:
            pwd.getpwnam(user)
        except KeyError:
            return f"there is no user {user}"
    return None


class Postfix(Real):
    protocol = "smtp"

    @staticmethod
    def missing():
        return is_missing("/usr/lib/postfix/sbin/master", "postfix")

    def prepare(self):
        (self.folder / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /dev/stdout
alias_maps =
local_recipient_maps =
smtpd_tls_security_level = may
smtpd_tls_cert_file = {self.cert}
smtpd_tls_key_file = {self.key}
""")
        (self.folder / "master.cf").write_text(f"""
127.0.0.1:{self.port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
""")
        for name in ("queue", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix", "postfix")
        return ["/usr/sbin/postfix", "-c", str(self.folder), "start-fg"]

    def stop(self):
        subprocess.run(["/usr/sbin/postfix", "-c", str(self.folder), "stop"], check=False,
                       stdout=self.log, stderr=self.log)
        super().stop()


class Dovecot(Real):
    def prepare(self):
        other = free_port()
        imap, pop3 = (self.port, other) if self.protocol == "imap" else (other, self.port)
        (self.folder / "dovecot.conf").write_text(f"""
protocols = imap pop3
listen = 127.0.0.1
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = /dev/stdout
ssl = yes
ssl_cert = <{self.cert}
ssl_key = <{self.key}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
""")
        return ["/usr/sbin/dovecot", "-F", "-c", str(self.folder / "dovecot.conf")]


class DovecotImap(Dovecot):
    protocol = "imap"

    @staticmethod
    def missing():
        return is_missing("/usr/lib/dovecot/imap-login", "dovecot", "dovenull") or \
            is_missing("/usr/lib/dovecot/pop3-login")


class DovecotPop3(DovecotImap):
    protocol = "pop3"


class Slapd(Real):
    protocol = "ldap"

    @staticmethod
    def missing():
        return is_missing("/usr/sbin/slapd")

    def prepare(self):
        conf = self.folder / "slapd.conf"
        conf.write_text(f"""
include /etc/ldap/schema/core.schema
pidfile {self.folder}/pid
TLSCertificateFile {self.cert}
TLSCertificateKeyFile {self.key}
""")
        return ["/usr/sbin/slapd", "-h", f"ldap://127.0.0.1:{self.port}", "-f", str(conf), "-d", "0"]


def postgres():
    """The folder of its programs, the newest."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else pathlib.Path("/nonexistent")


class Postgres(Real):
    protocol = "postgres"

    @staticmethod
    def missing():
        return is_missing(str(postgres() / "postgres"), "nobody")

    def options(self):
        return {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": self.folder}

    def prepare(self):
        data = self.folder / "data"
        data.mkdir()
        for path in (data, self.key):
            shutil.chown(path, "nobody", "nogroup")
        subprocess.run([postgres() / "initdb", "-D", data, "-A", "trust", "-N", "--no-locale"],
                       check=True, stdout=self.log, stderr=self.log, **self.options())
        return [postgres() / "postgres", "-D", data, "-p", str(self.port), "-h", "127.0.0.1",
                "-k", "", "-c", "ssl=on", "-c", f"ssl_cert_file={self.cert}",
                "-c", f"ssl_key_file={self.key}", "-c", "fsync=off"]


REAL = [Postfix, DovecotImap, DovecotPop3, Slapd, Postgres]


class Scripted:
    """Each connection: says the first line, then one after each thing that it hears; then TLS with
    the given chain and key, if there are any, or silence."""

    def __init__(self, protocol="tls", says=(), chain=None, key=None):
        self.protocol, self.says, self.names = protocol, says, []
        self.tls = None
        if chain:
            with tempfile.NamedTemporaryFile() as file:
                file.write(key + chain)
                file.flush()
                self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.tls.load_cert_chain(file.name)
            self.tls.sni_callback = lambda sock, name, context: self.names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def address(self):
        return f"{self.protocol}://127.0.0.1:{self.port}"

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(one,), daemon=True).start()

    def talk(self, one):
        try:
            with one:
                for i, line in enumerate(self.says):
                    if i > 0 and not one.recv(4096):
                        return
                    one.sendall(line or b"")
                if self.tls:
                    with self.tls.wrap_socket(one, server_side=True) as tls:
                        tls.recv(1)
                else:
                    while one.recv(4096):
                        pass
        except OSError:
            pass

    def close(self):
        self.listener.close()
