"""The response stage side by side with the thesis's own way, in one run on this machine.

    python -m benchmarks.bench_response

The thesis's way stands in `thesis_way`. Ours: `preprocess` and `Correlator`, templates prepared once. Five alternating
pairs, frame preprocessing counted on both sides; the ratio of each pair, and their median. Then peak memory while
correlating 30 and 120 frames, each in a process of its own.
"""

import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.thesis_way import thesis_way
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import Stack, write_stack
from mirnb.imaging.correlation import Correlator
from mirnb.imaging.preprocessing import preprocess
from mirnb.simulation.frames import draw_light, expose
from mirnb.simulation.molecules import draw_sample
from mirnb.simulation.settings import Settings

N_PAIRS = 5


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(frame, templates, workers, *, with_blob_log):
    """Ratios of N_PAIRS alternating pairs, both times, and the largest difference as a share of the range."""
    correlator = Correlator([preprocess(template) for template in templates], frame.shape, workers=workers)
    correlator.cross_correlate(preprocess(frame))  # warm
    ratios, theirs, ours = [], [], []
    for _ in range(N_PAIRS):
        slow, expected = seconds(lambda: thesis_way(frame, templates, with_blob_log=with_blob_log))
        fast, response = seconds(lambda: correlator.cross_correlate(preprocess(frame)))
        ratios.append(slow / fast)
        theirs.append(slow)
        ours.append(fast)
    difference = float(np.abs(response - expected).max() / np.ptp(expected))
    return statistics.median(ratios), statistics.median(theirs), statistics.median(ours), difference


def peak_mib(path, n_frames, templates, answer):
    """Peak resident memory of a process that correlates the first frames of a stack, MiB."""
    stack = Stack([path])
    correlator = Correlator([preprocess(template) for template in templates], stack.frame_shape)
    for _, frame in stack.frames(range(n_frames)):
        correlator.cross_correlate(preprocess(frame))
    scale = 2**20 if sys.platform == "darwin" else 2**10
    answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)


def main():
    rng = np.random.default_rng(3)
    settings = Settings(n_frames=1)
    blobs = draw_sample(THESIS, settings, 3)
    light = draw_light(blobs[blobs["flux"] > 0], settings.frame_shape, settings.psf_sigma_px)
    frame = expose(light, settings, rng)
    templates = [expose(np.zeros((24, 10)), settings, rng).astype(float) for _ in range(3)]
    for template, gap in zip(templates, (11, 5, 7), strict=True):
        template[4:9, 3:8] += 200
        template[4 + gap : 9 + gap, 3:8] += 80
    print(f"one frame of {frame.shape[0]}x{frame.shape[1]}, three templates of 24x10; median of {N_PAIRS} alternating pairs")
    for workers in (1, 2):
        for with_blob_log in (True, False):
            ratio, slow, fast, difference = compare(frame, templates, workers, with_blob_log=with_blob_log)
            name = "thesis's way" if with_blob_log else "its correlate2d alone"
            print(
                f"{workers} thread(s): {name} {slow:7.3f} s, ours {1000 * fast:6.1f} ms, ratio {ratio:6.1f}, "
                f"largest difference {difference:.1e} of the range"
            )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.tif"
        write_stack(path, (np.roll(frame, shift, axis=0) for shift in range(120)), pixel_size_nm=120)
        peaks = {}
        for n_frames in (30, 120):
            context = multiprocessing.get_context("spawn")
            answer = context.Queue()
            process = context.Process(target=peak_mib, args=(path, n_frames, templates, answer))
            process.start()
            peaks[n_frames] = answer.get()
            process.join()
    print(
        f"peak memory: {peaks[30]:.0f} MiB for 30 frames, {peaks[120]:.0f} MiB for 120, ratio {peaks[120] / peaks[30]:.3f}"
    )


if __name__ == "__main__":
    main()
