"""--open: a page is opened where there is a screen, and nothing fails where there is none."""

import os
import time

import pytest

from numerai_lab.cli.desktop import opener

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs here are shell scripts")


@pytest.fixture
def screen(tmp_path, monkeypatch):
    """A desktop that writes down what it is asked to open."""
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$1" > {tmp_path}/asked.part\nmv {tmp_path}/asked.part {tmp_path}/asked\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "asked"


def test_the_page_is_opened_on_a_desktop(lab, trained, screen, monkeypatch, tmp_path):
    monkeypatch.setenv("DISPLAY", ":7")
    result = lab("report", "--open", trained["run_dir"])
    assert result.code == 0, result.err
    until = time.monotonic() + 10
    while not screen.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert screen.read_text().strip() == str(tmp_path / trained["run_dir"] / "report.html")


def test_without_a_desktop_the_path_is_said(lab, trained, screen, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    result = lab("report", "--open", trained["run_dir"])
    assert result.code == 0
    assert "no desktop here" in result.err
    assert opener("linux", {"DISPLAY": "", "PATH": os.environ["PATH"]}) is None
