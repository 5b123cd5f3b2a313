"""Exploring: from a key or slider to the window drawn, in the kernel and in JupyterLab in a real browser; a long stack.

    python -m benchmarks.bench_explore [SCREENSHOT.png]

Frames of 1024x1024 pixels with about 300 blobs are simulated and called by a twin-trained CNN of three networks (trained
briefly: its answers do not matter here). Then a stack of 1,000 of such frames (2 GB) is opened, without and with calls, and
its frames are gone through.
"""

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

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
    window.start = 0;
    requestAnimationFrame(() => window.taken.push(performance.now() - began));
  }).observe(root, {attributes: true, attributeFilter: ['data-number']});
}"""


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
    print(f"in the kernel, {len(tool.explorer.blobs)} blobs on a frame, medians:")
    questions = {
        "threshold": lambda k: {"choose": {"threshold_sds": 1.0 + k % 9}},
        "least probability": lambda k: {"choose": {"least_probability": 0.4 + 0.01 * (k % 40)}},
        "crowding": lambda k: {"choose": {"crowding": ("any", "alone", "crowded")[k % 3]}},
        "a click": lambda k: {"click": tool.explorer.blobs[["row", "col"]].iloc[(7 * k) % 200].tolist()},
        "another frame": lambda k: {"frame": k % N_FRAMES},  # of which eight are held: never one of them
    }
    for name, question in questions.items():
        taken = []
        for k in range(N_ASKED):
            start = time.perf_counter()
            tool._answer(None, question(k), None)
            taken.append(1000 * (time.perf_counter() - start))
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
        threshold = page.locator('.mirnb-explore input[data-name="threshold_sds"]')
        probability = page.locator('.mirnb-explore input[data-name="least_probability"]')
        following = page.locator(".mirnb-explore .group:nth-child(4) button.next")
        canvas, keyboard = page.locator(".mirnb-explore canvas.frame"), page.keyboard
        acts = {
            "threshold": lambda k: threshold.fill(str(1 + k % 9)),
            "least probability": lambda k: probability.fill(f"{0.4 + 0.01 * (k % 40):.2f}"),
            "a click": lambda k: canvas.click(position={"x": 60 + 11 * k, "y": 500 - 11 * k}),
            "button: next noise": lambda k: following.click(),
            "key: next frame": lambda k: keyboard.press("ArrowRight" if k % 22 < 11 else "ArrowLeft"),
        }
        print("in the browser, from key or slider to the window drawn, medians:")
        every = []
        for name, act in acts.items():
            page.evaluate("() => { window.taken = []; document.querySelector('.mirnb-explore').focus(); }")
            for k in range(N_ASKED):
                act(k)
                page.wait_for_function("n => window.taken.length === n", arg=k + 1)
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
    process = psutil.Process()
    for words, given in {"without calls": "", "with calls": classifier}.items():
        before, start = process.memory_info().rss, time.perf_counter()
        tool = open_explorer(RunFolder(load_experiment(long), folder / words.replace(" ", "_")), classifier=given)
        print(f"{N_LONG} frames, {len(whole)} blobs, {words}: opened in {time.perf_counter() - start:.1f} s")
        used = [process.memory_info().rss - before]
        for k in range(100):
            tool._answer(None, {"frame": (37 * k) % N_LONG}, None)
            if k in (19, 99):
                used.append(process.memory_info().rss - before)
        print(
            "  memory more than before, MB: opened {:.0f}, 20 frames {:.0f}, 100 frames {:.0f}".format(
                *(np.array(used) / 1e6)
            )
        )


if __name__ == "__main__":
    main()
