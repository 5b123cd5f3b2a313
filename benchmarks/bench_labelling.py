"""From a key pressed in the labelling tool to the next crop drawn, in JupyterLab in a real browser.

    python -m benchmarks.bench_labelling [SCREENSHOT.png]

A practice experiment of frames of 1024x1024 pixels is simulated, labelling.ipynb runs on it, and keys are pressed.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from mirnb.files import ROOT
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings
from tests.lab_browser import browser, lab, open_notebook, run_all_from_menu

N_KEYS = 200
_WATCH = """() => {
  const root = document.querySelector('.mirnb-labelling');
  window.taken = [];
  let start = 0;
  root.addEventListener('keydown', () => { start = performance.now(); }, true);
  new MutationObserver(async () => {
    const began = start;
    await Promise.all([...root.querySelectorAll('.pictures img')].map(one => one.decode()));
    requestAnimationFrame(() => window.taken.push(performance.now() - began));
  }).observe(root, {attributes: true, attributeFilter: ['data-number']});
}"""


def main():
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        sample = simulate_experiment(folder / "practice", settings=Settings(n_frames=5), labelled=False)
        text = (ROOT / "notebooks" / "labelling.ipynb").read_text(encoding="utf-8")
        (folder / "work").mkdir()
        there = json.dumps(sample.as_posix())[1:-1]
        (folder / "work" / "labelling.ipynb").write_text(text.replace("data/practice\\", f"{there}\\"), encoding="utf-8")
        with lab(folder / "work", folder / "home") as address, browser() as opened:
            page = opened.new_page(viewport={"width": 1300, "height": 1500})
            open_notebook(page, address("labelling.ipynb"))
            errors = run_all_from_menu(page, timeout_s=120)
            assert errors == [], errors
            page.wait_for_selector(".mirnb-labelling .pictures img")
            page.locator(".mirnb-labelling .foot").click()
            page.evaluate(_WATCH)
            for k in range(N_KEYS):
                page.keyboard.press("1230"[k % 4])
                page.wait_for_function("n => window.taken.length === n", arg=k + 1)
            taken_ms = np.array(page.evaluate("window.taken"))
            if len(sys.argv) > 1:
                page.locator(".mirnb-labelling").screenshot(path=sys.argv[1])
    median, high = np.percentile(taken_ms, [50, 95])
    print(f"key to next crop drawn, {N_KEYS} labels: median {median:.0f} ms, 95 % within {high:.0f} ms")


if __name__ == "__main__":
    main()
