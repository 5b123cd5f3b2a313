"""Detect, classify and count side by side with the thesis's own way; two workers against one; memory of long stacks.

    python -m benchmarks.bench_counting reports/demo/classifiers/twin_cnn

The thesis's way, written anew from its cells 2, 4 and 9: `correlate2d` of the preprocessed frame with three templates,
`blob_log` on every response, LeNet-5 on the crops of ThunderSTORM's blobs (which its users find by hand; here they are
given). Ours: `mirnb quantify` without its start-up, `twin_cnn` on detected blobs. Frames are simulated. All in one run.
"""

import argparse
import contextlib
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil

from benchmarks.thesis_way import thesis_way
from mirnb.classifiers.backend import predict
from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.lenet5 import build_lenet5
from mirnb.classifiers.making import train_facts
from mirnb.cluster import open_client
from mirnb.counting.counts import count_stacks
from mirnb.counting.samples import gather_inputs
from mirnb.counting.worker import Job, count_part, look_at_stack
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import write_stack
from mirnb.imaging.crops import cut_crops, fits
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings

FRAMES = 160  # of the speed runs: as many parts for each of two workers


def thesis_seconds(frames, blobs, templates):
    """Seconds a frame of the thesis's way."""
    model = build_lenet5((*THESIS.crop_window.shape, 3), 4)
    start = time.perf_counter()
    for frame, (rows, cols) in zip(frames, blobs, strict=True):
        response = thesis_way(frame, templates, with_blob_log=True)
        predict(model, cut_crops(response, rows, cols, THESIS.crop_window).astype(np.float32))
    return (time.perf_counter() - start) / len(frames)


def frames_a_second(folder, path, n_frames, n_workers):
    """Frames a second of detection and classification by a local cluster, start-up left out."""
    files = {one.name: one.read_bytes() for one in sorted(Path(folder).iterdir())}
    job = Job("bench", (str(path),), "down", 120.0, n_frames, "")
    with open_client(n_workers=n_workers) as client:
        packed = client.submit(dict, files)
        warm = [
            client.submit(look_at_stack, packed, job, None, pure=False, workers=[worker])
            for worker in client.scheduler_info(n_workers=-1)["workers"]
        ]
        client.gather(warm)
        warm = [
            client.submit(count_part, packed, job, 0, None, 1.0, pure=False, workers=[worker])
            for worker in client.scheduler_info(n_workers=-1)["workers"]
        ]
        client.gather(warm)
        start = time.perf_counter()
        client.gather(
            [client.submit(count_part, packed, job, first, None, 1.0, pure=False) for first in range(0, n_frames, 8)]
        )
        return n_frames / (time.perf_counter() - start)


def peak_mib(folder, path, out, answer):
    """Peak resident memory of this process and of its largest worker while a stack is counted, MiB."""
    inputs = gather_inputs([path], load_classifier(folder))
    peaks, done = [0.0, 0.0], threading.Event()

    def watch():
        me = psutil.Process()
        while not done.wait(0.2):
            with contextlib.suppress(psutil.NoSuchProcess):
                own, workers = me.memory_info().rss, [one.memory_info().rss for one in me.children(recursive=True)]
                peaks[:] = max(peaks[0], own), max(peaks[1], *workers, 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    count_stacks(inputs, folder, out, n_workers=1)
    done.set()
    watcher.join()
    answer.put([one / 2**20 for one in peaks])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classifier", help="folder of a classifier of kind twin_cnn")
    parser.add_argument("--memory-frames", type=int, nargs=2, default=[100, 1000])
    options = parser.parse_args()
    frames, blobs = [], []
    for frame, truth in simulate_frames(THESIS, Settings(n_frames=FRAMES), 41):
        frames.append(frame)
        seen = truth[truth["detected"]]
        rows, cols = (np.floor(seen[name].to_numpy()).astype(int) for name in ("seen_y_px", "seen_x_px"))
        kept = fits(frame.shape, rows, cols, THESIS.crop_window)
        blobs.append((rows[kept], cols[kept]))
    templates = train_facts(load_classifier(options.classifier)).templates
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.tif"
        write_stack(path, frames, pixel_size_nm=120)
        theirs = thesis_seconds(frames[:2], blobs[:2], templates)
        two = frames_a_second(options.classifier, path, FRAMES, 2)
        one = frames_a_second(options.classifier, path, FRAMES, 1)
        print(f"thesis's way: {theirs:.2f} s a frame of 1024x1024 (2 frames, one process), {1 / theirs:.3f} frames a second")
        print(f"ours, two workers: {two:.1f} frames a second, {two * theirs:.0f} times the thesis's way")
        print(f"ours, one worker: {one:.1f} frames a second; two against one: {two / one:.2f}")
        peaks = {}
        for n_frames in options.memory_frames:
            path = Path(folder) / f"{n_frames}.tif"
            write_stack(path, (frames[k % FRAMES] for k in range(n_frames)), pixel_size_nm=120)
            context = get_context("spawn")
            answer = context.Queue()
            process = context.Process(target=peak_mib, args=(options.classifier, path, Path(folder) / "out", answer))
            process.start()
            peaks[n_frames] = answer.get()
            process.join()
            path.unlink()
    few, many = (peaks[n] for n in options.memory_frames)
    for name, low, high in zip(("client", "worker"), few, many, strict=True):
        print(
            f"peak memory of the {name}: {low:.0f} MiB for {options.memory_frames[0]} frames, {high:.0f} MiB for "
            f"{options.memory_frames[1]}, ratio {high / low:.3f}"
        )


if __name__ == "__main__":
    main()
