"""Exploring: from a key or slider to the window drawn, in the kernel and in JupyterLab in a real browser; a long stack.

    python -m benchmarks.bench_explore [SCREENSHOT.png]

Frames of 1024x1024 pixels with about 300 blobs are simulated and called by a twin-trained CNN of three networks (trained
briefly: its answers do not matter here). Then a stack of 1,000 of such frames (2 GB) is opened, without and with calls, each
in a process of its own that has not loaded TensorFlow, and its frames are gone through.
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.making import save_rival
from mirnb.classifiers.twin_cnn_training import Recipe, train_twin_cnn_rival
from mirnb.experiments.blobs import read_blobs, write_table
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.stacks import write_stack
from mirnb.files import ROOT
from mirnb.labelling.explore_widget import open_explorer
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings
from tests.lab_browser import browser, lab, open_notebook, run_all_from_menu

N_FRAMES, N_LONG, N_ASKED = 12, 1000, 40
BRIEF = Recipe(twin_crops=500, twin_epochs=1, single_epochs=1, tune_epochs=1)
_WATCH = """() => {
  const root = document.querySelector('.mirnb-explore');
  window.taken = [];
  window.start = 0;
  for (const kind of ['keydown', 'input', 'pointerup', 'click'])
    root.addEventListener(kind, () => { window.start ||= performance.now(); }, true);
  new MutationObserver(() => {
    const began = window.start;
    if (!began) return; // calls that follow a frame
    window.start = 0;
    requestAnimationFrame(() => window.taken.push(performance.now() - began));
  }).observe(root, {attributes: true, attributeFilter: ['data-number']});
}"""
_OPEN = """
import sys, time
import psutil
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.labelling.explore_widget import open_explorer

run, process = RunFolder(load_experiment(sys.argv[1]), sys.argv[2]), psutil.Process()
before, start = process.memory_info().rss, time.perf_counter()
tool = open_explorer(run, classifier=sys.argv[3])
print(f"opened in {time.perf_counter() - start:.1f} s", end="")
tool.explorer.y_prob
print(f", its calls there after {time.perf_counter() - start:.1f} s; MB more than before: ", end="")
for k in range(101):
    tool._answer(None, {"frame": (37 * k) % 1000}, None)
    tool.explorer.y_prob
    if k in (0, 20, 100):
        print(f"{(process.memory_info().rss - before) / 1e6:.0f} after {k} frames", end="  ")
"""


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        settings = Settings(n_frames=N_FRAMES, n_labelled_per_frame=300)
        run = RunFolder(load_experiment(simulate_experiment(folder / "busy", settings=settings)), folder / "run")
        data = prepare(run)
        classifier = save_rival(train_twin_cnn_rival(data, run, recipe=BRIEF), data, run).folder
        in_the_kernel(run, classifier)
        in_a_browser(run, folder)
        a_long_stack(run, classifier, folder)


def in_the_kernel(run, classifier):
    tool = open_explorer(run, classifier=classifier)
    tool._answer(None, {"choose": {"shows_others": True}}, None)
    assert tool.explorer.y_prob is not None  # waits for them
    print(f"in the kernel, {len(tool.explorer.blobs)} blobs on a frame, medians:")
    questions = {
        "threshold": lambda k: {"choose": {"threshold_sds": 1.0 + k % 9}},
        "least probability": lambda k: {"choose": {"least_probability": 0.4 + 0.01 * (k % 40)}},
        "crowding": lambda k: {"choose": {"crowding": ("any", "alone", "crowded")[k % 3]}},
        "a click": lambda k: {"click": tool.explorer.blobs[["row", "col"]].iloc[(7 * k) % 200].tolist()},
        "another frame": lambda k: {"frame": 5 * k % N_FRAMES},  # of which eight are held: never one of them
    }
    for name, question in questions.items():
        taken = []
        for k in range(N_ASKED):
            start = time.perf_counter()
            tool._answer(None, question(k), None)
            taken.append(1000 * (time.perf_counter() - start))
            assert tool.explorer.y_prob is not None
        print(f"  {name}: {np.median(taken):.0f} ms, 95 % within {np.percentile(taken, 95):.0f} ms")


def in_a_browser(run, folder):
    text = (ROOT / "notebooks" / "explore.ipynb").read_text(encoding="utf-8")
    (folder / "work").mkdir()
    for usual, given in {"data/demo": run.experiment.folder, 'out: str = \\"': run.root}.items():
        there = json.dumps(given.as_posix())[1:-1]
        text = text.replace(usual, f"{usual}{there}" if usual.startswith("out") else there)
    (folder / "work" / "explore.ipynb").write_text(text, encoding="utf-8")
    with lab(folder / "work", folder / "home") as address, browser() as opened:
        page = opened.new_page(viewport={"width": 1400, "height": 1300})
        open_notebook(page, address("explore.ipynb"))
        errors = run_all_from_menu(page, timeout_s=120)
        assert errors == [], errors
        page.wait_for_selector(".mirnb-explore .group")
        page.locator(".mirnb-explore .summary").click()
        page.evaluate(_WATCH)
        page.wait_for_selector(".mirnb-explore:not(.calling)")
        sliders = ("threshold_sds", "least_probability", "frame")
        threshold, probability, frame = (page.locator(f'.mirnb-explore input[data-name="{name}"]') for name in sliders)
        following = page.locator(".mirnb-explore .group:nth-child(4) button.next")
        canvas, keyboard = page.locator(".mirnb-explore canvas.frame"), page.keyboard
        acts = {
            "threshold": lambda k: threshold.fill(str(1 + k % 9)),
            "least probability": lambda k: probability.fill(f"{0.4 + 0.01 * (k % 40):.2f}"),
            "a click": lambda k: canvas.click(position={"x": 60 + 11 * k, "y": 500 - 11 * k}),
            "button: next noise": lambda k: following.click(),
            "key: next frame": lambda k: keyboard.press("ArrowRight" if k % 22 < 11 else "ArrowLeft"),
            "slider: a frame not held": lambda k: frame.fill(str(1 + 5 * (k + 1) % N_FRAMES)),  # eight of twelve are held
        }
        print("in the browser, from key or slider to the window drawn, medians:")
        every = []
        for name, act in acts.items():
            page.evaluate("() => { window.taken = []; document.querySelector('.mirnb-explore').focus(); }")
            for k in range(N_ASKED):
                act(k)
                page.wait_for_function("n => window.taken.length === n", arg=k + 1)
                page.wait_for_selector(".mirnb-explore:not(.calling)")
            taken = np.array(page.evaluate("window.taken"))
            every.append(taken)
            print(f"  {name}: {np.median(taken):.0f} ms, 95 % within {np.percentile(taken, 95):.0f} ms")
        print(f"  all: {np.median(np.concatenate(every)):.0f} ms")
        if len(sys.argv) > 1:
            page.locator(".mirnb-explore").screenshot(path=sys.argv[1])


def a_long_stack(run, classifier, folder):
    short, long = run.experiment, folder / "long"
    long.mkdir()
    frames = [frame for _, frame in short.stack.frames()]
    many = (frames[k % N_FRAMES] for k in range(N_LONG))
    write_stack(long / "stack.tif", many, pixel_size_nm=short.pixel_size_nm)
    table, repeats = read_blobs(short.blobs_path), -(-N_LONG // N_FRAMES)
    parts = [table.assign(frame=table["frame"] + k * N_FRAMES) for k in range(repeats)]
    whole = pd.concat(parts, ignore_index=True)
    whole = whole[whole["frame"] <= N_LONG]
    write_table(long / "blobs.csv", whole.assign(id=np.arange(1, len(whole) + 1)))
    lines = (short.folder / "experiment.toml").read_text(encoding="utf-8").split("[simulated]")[0]
    (long / "experiment.toml").write_text(lines.replace(short.name, "long"), encoding="utf-8")
    for words, given in {"without calls": "", "with calls": classifier}.items():
        command = [sys.executable, "-W", "ignore", "-c", _OPEN, long, folder / words.replace(" ", "_"), given]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"{N_LONG} frames, {len(whole)} blobs, {words}: {told}")


if __name__ == "__main__":
    main()
