"""A JupyterLab of its own, and a real browser on it: what a user sees and types."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_CONNECTED = """async () => {
  const panel = window.jupyterapp?.shell.currentWidget;
  if (!panel?.sessionContext) return false;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  return !!kernel && kernel.status === 'idle' && kernel.connectionStatus === 'connected';
}"""
# textContent, as cells out of sight have no innerText
_ALL_RAN = r"""() => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(one => one.textContent.trim());
  return prompts.length > 0 && prompts.every(one => /^\[\d+\]:?$/.test(one));
}"""
_NO_CALLS_HOME = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextlib.contextmanager
def lab(folder, home):
    """Address of a JupyterLab on a folder, as a function of the notebook's name; its settings lie in `home`."""
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True, exist_ok=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    places = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython",
    }  # fmt: skip
    shown = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # figures stand in the notebook
    environment = {**shown, **{name: str(home / place) for name, place in places.items()}}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, site = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly",
        "--MappingKernelManager.transport_encryption=auto", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{site}/api/status?token={token}", timeout=2).close()
                break
            time.sleep(0.25)
        yield lambda notebook: f"{site}/lab/tree/{notebook}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)


@contextlib.contextmanager
def browser():
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=_NO_CALLS_HOME)
        try:
            yield opened
        finally:
            opened.close()


def open_notebook(page, address):
    """Open a notebook and wait for its kernel."""
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
    page.wait_for_function(_CONNECTED, timeout=90_000)  # without it, Run All opens a dialog for a kernel


def run_all_from_menu(page, *, timeout_s):
    """Run > Run All Cells, as a user does; returns the texts of error outputs."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(_ALL_RAN, timeout=1000 * timeout_s)
    return page.locator('.jp-RenderedText[data-mime-type="application/vnd.jupyter.error"]').all_inner_texts()
