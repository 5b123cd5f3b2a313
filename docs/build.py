"""Build the pages: run the notebooks on a small experiment, unless that was done, and have Sphinx make HTML of all.

python docs/build.py        (or: make docs)
"""

import subprocess
import sys
from pathlib import Path

import nbformat

from mirnb.contents import NOTEBOOKS
from mirnb.experiments.experiment_file import load_experiment
from mirnb.notebook_pages import describe_pictures
from mirnb.report import make_report
from mirnb.simulation.folders import simulate_with_single_types
from mirnb.simulation.settings import Settings, settings_of_experiment

HERE = Path(__file__).resolve().parent
SMALL = Settings(  # few frames with many molecules, so that there is something to learn from
    n_frames=9, frame_shape=(512, 512), n_labelled_per_frame=60.0, mir_share=0.6, faint_per_frame=5.0
)  # fmt: skip
PARAMETERS = {
    "n_runs": "2", "n_crops": "6000", "n_epochs": "7", "angles": "[]", "repeats": "1", "n_resamples": "500",
}  # fmt: skip
TRY = {
    "01_templates": "another `background_percentile`: from which value on do the templates lose their lower blob?",
    "02_correlation_comparison": "a larger `field_px`, and look at how the background rises with cosine similarity.",
    "03_training": "`epochs` of 30: does validation go along?",
    "04_evaluation": "your own experiment: which mistakes are mistakes of the label?",
    "05_roc_pr": "another `seed`: how much do the curves of green move?",
    "06_tuning": "`repeats` of 10 on your own crops: which decline is left?",
    "07_optimizers": "`repeats` of 10, and compare the rates at which SGD and Adam begin.",
    "08_classifiers": "a `seed` of your own: does the order of the classifiers stay?",
    "09_quantification": "your own stacks: `classifier`, `stacks`, `samples` and `out`.",
    "10_panel_design": "`panels` of `[\"six\", \"twelve\"]` with `out`, and a steeper angle in `angles`.",
    "11_assay": "`most_spread` of .1: from which concentration on are results that close?",
}  # fmt: skip


def main(*sphinx_options):
    """Returns Sphinx's exit code: the pages are made while the notebooks run, and again with these."""
    folder, run, tutorials = HERE.parent / "data" / "docs", HERE.parent / "reports" / "docs", HERE / "tutorials"
    if not all((tutorials / f"{name}.ipynb").exists() for name in NOTEBOOKS):
        write_tutorials(HERE.parent / "notebooks", tutorials)
    command = sphinx_command(HERE, HERE / "_build" / "html", *sphinx_options)
    with subprocess.Popen(command) as pages:
        if not (folder / "experiment.toml").exists() or settings_of_experiment(load_experiment(folder)) != SMALL:
            simulate_with_single_types(folder, settings=SMALL)
        make_report(folder, out=run, parameters=PARAMETERS)
    write_tutorials(run / "notebooks", tutorials)
    return pages.returncode or subprocess.call(command)


def write_tutorials(notebooks, target):
    """Notebooks of a report as tutorials: every picture described, and something to try at the end."""
    for name in NOTEBOOKS:
        notebook = nbformat.read(notebooks / f"{name}.ipynb", as_version=4)
        notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
        for cell in notebook.cells:
            _without_errors(cell)
            describe_pictures(cell)
        notebook.cells.append(nbformat.v4.new_markdown_cell(f"**Try this:** {TRY[name]}", id="try-this"))
        text, path = nbformat.writes(notebook) + "\n", target / f"{name}.ipynb"
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # else Sphinx would read it again
            path.write_text(text, encoding="utf-8")


def sphinx_command(source, target, *options):
    """Sphinx, to make HTML of a folder; a warning is an error."""
    return [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", *options, str(source), str(target)]


def _without_errors(cell):
    """Nothing that a cell wrote on the error stream."""
    if "outputs" in cell:
        cell["outputs"] = [one for one in cell["outputs"] if one.get("name") != "stderr"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
