"""The run folder of an experiment: figures, tables, metrics and a cache, so that finished work is never computed twice."""

import platform
import time
from importlib.metadata import version
from pathlib import Path

from mirnb import __version__
from mirnb.experiments.blobs import write_table
from mirnb.experiments.experiment_file import write_mask
from mirnb.files import ROOT, cached, fingerprint, read_json, whole_file, write_json


class RunFolder:
    """Where the results of one experiment go: reports/<name of the experiment>/ unless told otherwise.

    Parameters
    ----------
    experiment : Experiment
    out : path, optional
    quick : bool
        reports/<name>-quick, so that a test never passes for a result.
    """

    def __init__(self, experiment, out=None, *, quick=False):
        self.experiment = experiment
        self.root = Path(out) if out else ROOT / "reports" / f"{experiment.name}{'-quick' if quick else ''}"

    def __repr__(self):
        return f"run folder {self.root} of {self.experiment!r}"

    @property
    def simulated(self):
        """Whether its experiment is simulated: every figure and page says so."""
        return self.experiment.simulated is not None

    def show(self, figure, name):
        """Save a figure as figures/<name>.png and .svg, saying "simulated" on it where it is."""
        save_figure(figure, self.root / "figures" / name, simulated=self.simulated)

    def table(self, frame, name):
        """Save a table as tables/<name>.csv."""
        write_table(self.root / "tables" / f"{name}.csv", frame)

    def save_templates(self, templates):
        """Save templates as templates/<miR>_mir_mask.tif, to be named under [masks] of another experiment."""
        for name, template in zip(self.experiment.panel.mir_names, templates, strict=True):
            write_mask(self.root / "templates" / f"{name}_mir_mask.tif", template)

    def add_metrics(self, metrics):
        """Put values into metrics.json: what they name is replaced, a classifier keeps its other sets."""
        path = self.root / "metrics.json"
        old = read_json(path) if path.exists() else {}
        kinds = old.get("classifiers", {})
        for kind, sets in metrics.get("classifiers", {}).items():
            kinds[kind] = {**kinds.get(kind, {}), **sets}
        write_json(path, {**old, **metrics, **({"classifiers": kinds} if kinds else {})})

    def cached(self, kind, settings, make):
        """Arrays made once for given settings and inputs, then read back.

        Parameters
        ----------
        kind : str
            What they are; names the file.
        settings : dict
            Everything the arrays follow from, besides the experiment's files and this version of mirnb.
        make : callable returning a dict of ndarrays
        """
        key = fingerprint(settings, self.experiment.fingerprints(), __version__)
        return cached(self.root / "cache" / f"{kind}-{key}.npz", make)

    def write_settings(self, **parameters):
        """Write settings.json: parameters, versions, fingerprints of the inputs."""
        packages = (
            "mirnb",
            "numpy",
            "scipy",
            "scikit-image",
            "scikit-learn",
            "keras",
            "tensorflow",
            "tifffile",
            "papermill",
        )
        write_json(
            self.root / "settings.json",
            {
                "experiment": self.experiment.name,
                "simulated": self.experiment.simulated,
                "parameters": parameters,
                "fingerprints": self.experiment.fingerprints(),
                "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
                "date": time.strftime("%Y-%m-%d %H:%M"),
            },
        )


def save_figure(figure, path, *, simulated):
    """Save a figure as <path>.png and .svg, saying "simulated" on it where it is."""
    if simulated:
        figure.text(0.995, -0.005, "simulated", ha="right", va="top", fontsize=8, color="0.45", style="italic")
    for suffix in ("png", "svg"):
        with whole_file(path.with_name(f"{path.name}.{suffix}")) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight", metadata={"Date": None} if suffix == "svg" else None)
