"""Fixtures: domains of real programs, ended and looked at after each test."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import process  # noqa: E402
from domain import Domain  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures know whether the test failed: its files and logs are shown then."""
    outcome = yield
    report = outcome.get_result()
    setattr(item, "failed", getattr(item, "failed", False) or report.failed)


@pytest.fixture
def make_domain(tmp_path, request):
    """make_domain(name): domains in folders of their own; closed in the end."""
    made = []

    def make(name="test.example"):
        domain = Domain(tmp_path / name, name)
        made.append(domain)
        return domain

    yield make
    failures = []
    for domain in made:
        try:
            domain.close()
        except process.Failure as failure:
            failures.append(str(failure))
        if getattr(request.node, "failed", False) or failures:
            for started in domain.started:
                print(started.tail(60))
    shutil.rmtree(tmp_path, ignore_errors=True)
    if failures:
        raise process.Failure("\n".join(failures))


@pytest.fixture
def domain(make_domain):
    """A domain with its manager running and no replica."""
    made = make_domain()
    made.init("--no-replica")
    made.start_server()
    return made


@pytest.fixture
def pair(domain):
    """A manager and two replicas, web1 and web2."""
    for name in ("web1", "web2"):
        domain.replica(name)
    return domain
