"""Pages printed by a browser of this machine."""

import re

import pytest
from lab_browser import CHROMIUM

from mirnb import pdf, report
from mirnb.cli import main
from mirnb.files import InputError


def test_without_a_browser_nothing_is_begun(small_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    monkeypatch.setattr(report, "make_report", None)
    assert main(["report", str(small_folder), "--pdf", "--out", str(tmp_path / "run")]) == 1
    assert "no Chromium here (looked for chromium," in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_browser_that_fails_leaves_no_file(tmp_path, monkeypatch):
    (tmp_path / "a.html").write_text("<p>a")
    (tmp_path / "fails").write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    (tmp_path / "fails").chmod(0o755)
    monkeypatch.setattr(pdf, "find_chromium", lambda: str(tmp_path / "fails"))
    with pytest.raises(InputError, match=r"could not print .*a\.html: no display"):
        pdf.print_pages([tmp_path / "a.html"])
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_a_page_is_printed_beside_itself(tmp_path):
    (tmp_path / "a.html").write_text("<!doctype html><title>a</title><p>text")
    (printed,) = pdf.print_pages([tmp_path / "a.html"])
    assert printed == tmp_path / "a.pdf"
    assert len(re.findall(rb"/Type ?/Page\b", printed.read_bytes())) == 1
