"""Pages printed as PDF by the Chromium of this machine, where there is one."""

import os
import shutil
import subprocess
import tempfile

from mirnb.files import InputError, whole_file

_NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"
_LONGEST_S = 120


def find_chromium():
    """Path of Chromium or a browser made of it.

    Raises
    ------
    InputError
        If there is none.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise InputError(
            f"--pdf: no Chromium here (looked for {', '.join(_NAMES)}); install it (on Debian: apt install chromium), or "
            "print the pages from any browser"
        )
    return found


def print_pages(pages):
    """Print pages as PDF files beside them: list of path.

    Raises
    ------
    InputError
        If there is no Chromium, or it fails.
    """
    program, printed = find_chromium(), []
    for page in pages:
        target = page.with_suffix(".pdf")
        with whole_file(target) as temporary, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [program, "--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer",
                       f"--user-data-dir={profile}", f"--print-to-pdf={temporary}", page.resolve().as_uri()]  # fmt: skip
            if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium has no sandbox for root
                command.insert(1, "--no-sandbox")
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
            except subprocess.TimeoutExpired:
                raise InputError(f"{program}: took more than {_LONGEST_S} s to print {page}") from None
            if done.returncode or not temporary.stat().st_size:
                raise InputError(f"{program}: could not print {page}: {done.stderr.strip()[-300:] or done.returncode}")
        printed.append(target)
    return printed
