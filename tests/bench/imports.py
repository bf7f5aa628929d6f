"""import: keys and certificates from files, in one command, sealed and stored."""

import datetime
import json
import statistics
import subprocess
import time

import domain
import lib

COUNT = 10000


def make_files(folder, count):
    """count PEM files, each a P-256 key, its leaf and the CA."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        return False
    pem, now = serialization.Encoding.PEM, datetime.datetime.utcnow()
    ca_key = ec.generate_private_key(ec.SECP256R1())

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def issue(subject, key, ca):
        builder = x509.CertificateBuilder(
            name("bench CA"), name(subject), key.public_key(), x509.random_serial_number(),
            now - datetime.timedelta(1), now + datetime.timedelta(90)).add_extension(
            x509.BasicConstraints(ca, None), critical=True)
        if not ca:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(pem)

    folder.mkdir()
    ca = issue("bench CA", ca_key, True)
    for i in range(count):
        key, host = ec.generate_private_key(ec.SECP256R1()), f"h{i}.bench.test"
        (folder / f"h{i}.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption()) + issue(host, key, False) + ca)
    return True


def certherd(bench, folder, count):
    """Seconds of the import, and of the same again."""
    d = domain.Domain(bench).start()
    took = []
    for word in ("imported", "unchanged"):
        before = time.monotonic()
        done = json.loads(lib.quiet([bench.bin / "certherd", "cert", "import", folder, "--access",
                                     "", "--data", d.dir, "--json"]))
        took.append(time.monotonic() - before)
        if done[word] != count or done["failed"]:
            raise RuntimeError(f"{done[word]} of {count} {word}")
    memory = d.server.memory_text()
    bench.stop(d.server)
    d.remove()
    return took, memory


def nginx(bench, folder, count):
    """Seconds in which nginx reads the same files and checks them."""
    conf = bench.dir / "nginx.conf"
    servers = "".join(f"server {{ listen 127.0.0.1:1 ssl; server_name h{i}.bench.test; "
                      f"ssl_certificate {folder}/h{i}.pem; ssl_certificate_key {folder}/h{i}.pem; }}\n"
                      for i in range(count))
    conf.write_text(f"pid {bench.dir}/nginx.pid; error_log stderr crit; events {{}}\nhttp {{ "
                    "access_log off; server_names_hash_max_size 262144; "
                    f"server_names_hash_bucket_size 128;\n{servers}}}\n", encoding="ascii")
    before = time.monotonic()
    done = subprocess.run(["nginx", "-t", "-p", bench.dir, "-c", conf], capture_output=True,
                          text=True, check=False)
    took = time.monotonic() - before
    # It cannot listen there for others than root, which it tries after it has read everything.
    if done.returncode != 0 and "bind()" not in done.stderr:
        print(f"    nginx: {done.stderr.strip()[-300:]}")
        return None
    return took


def run(bench):
    count, rounds = bench.args.names or COUNT, bench.args.rounds or 3
    folder = bench.dir / "files"
    print(f"{count} PEM files, P-256, each with key, leaf and CA, in one directory; {rounds} rounds\n"
          "certherd: one command; read in its child process, sealed to the managers, sent in "
          "requests of 100, sealed anew by the signer, synced to disk; every result reported\n"
          f"nginx {lib.version_of('nginx')} -t: reads the same files into memory and checks that "
          "keys fit; keeps nothing")
    if not make_files(folder, count):
        print("  skipped, not installed (package python3-cryptography)")
        return
    rates, again, theirs, memory = [], [], [], ""
    for _ in range(rounds):
        if bench.wanted("certherd"):
            took, memory = certherd(bench, folder, count)
            rates.append(count / took[0])
            again.append(count / took[1])
        if bench.wanted("nginx") and bench.has("nginx", "nginx"):
            took = nginx(bench, folder, count)
            if took:
                theirs.append(count / took)
    if rates:
        print(f"  certherd cert import               {lib.spread(rates):>22} /s\n"
              f"  the same again, all recognised     {lib.spread(again):>22} /s\n"
              f"    memory PSS/RSS MiB: {memory}")
        bench.goal("imported, P-256, all cores", statistics.median(rates), 1000, "/s",
                   at_least=True)
    if theirs:
        print(f"  nginx -t                           {lib.spread(theirs):>22} /s")
    if rates and theirs:
        print(f"  ratio certherd / nginx: "
              f"{statistics.median(rates) / statistics.median(theirs):.2f} in files a second")
