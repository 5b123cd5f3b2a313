"""The run folder of an experiment: figures, tables, metrics and a cache, so that finished work is never computed twice."""

import platform
import time
from importlib.metadata import version
from pathlib import Path

from mirnb.caches import cache_key, cached
from mirnb.experiments.blobs import write_table
from mirnb.experiments.experiment_file import write_mask
from mirnb.files import ROOT, InputError, read_json, whole_file, write_json

_PACKAGES = (
    "mirnb", "numpy", "scipy", "scikit-image", "scikit-learn", "keras", "tensorflow", "tifffile", "papermill",
)  # fmt: skip
_UNDATED = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


class Results:
    """Folders of tables and figures; figures say "simulated" where they are.

    Parameters
    ----------
    simulated : bool
        What the figures show was simulated.
    trained_on_simulated : bool
        What they show was seen by a classifier that learned from simulated frames: another fact, which says its own words.
    """

    def __init__(self, tables, figures, *, simulated, trained_on_simulated=False):
        self._tables, self._figures, self.simulated = Path(tables), Path(figures), simulated
        self.trained_on_simulated = trained_on_simulated

    @property
    def badges(self):
        """What figures and pages are to say of themselves, a few words each."""
        said = {"simulated": self.simulated, "classifier trained on simulated frames": self.trained_on_simulated}
        return [words for words, is_so in said.items() if is_so]

    def table(self, frame, name):
        """Save a table as <name>.csv."""
        write_table(self._tables / f"{name}.csv", frame)

    def show(self, figure, name):
        """Save a figure as <name>.png (300 dpi), .svg (its text as text) and .pdf, in the size it has."""
        self.save(figure, *(self._figures / f"{name}{suffix}" for suffix in _UNDATED))

    def save(self, figure, *paths):
        """Save a figure in files of its own, each by its suffix: .png, .svg or .pdf, as `show` does."""
        paths = [Path(path) for path in paths]
        for path in paths:
            if path.suffix not in _UNDATED:
                raise InputError(f"{path}: a picture is saved as {', '.join(_UNDATED)}")
        if self.badges:
            _stamp(figure, "; ".join(self.badges))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # what is laid out once is laid out for all formats
        for path in paths:
            with whole_file(path) as temporary:
                figure.savefig(temporary, dpi=300, metadata=_UNDATED[path.suffix])


def _stamp(figure, text):
    """A few words in the corner above a figure, which grows by them."""
    width, height = figure.get_size_inches()
    said = figure.text(0.004, 1.0, text, ha="left", va="top", color="0.45", style="italic")
    said.set_fontsize(max(0.8 * said.get_fontsize(), 6))
    more = 1.5 * said.get_window_extent().height / figure.dpi
    figure.set_size_inches(width, height + more)
    said.set_y(1 - 0.2 * more / (height + more))
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().set(rect=(0, 0, 1, height / (height + more)))


class RunFolder(Results):
    """Where the results of one experiment go: reports/<name of the experiment>/ unless told otherwise.

    Parameters
    ----------
    out : path, optional
    quick : bool
        reports/<name>-quick, so that a test never passes for a result.
    """

    def __init__(self, experiment, out=None, *, quick=False):
        self.experiment = experiment
        self.root = Path(out) if out else ROOT / "reports" / f"{experiment.name}{'-quick' if quick else ''}"
        super().__init__(self.root / "tables", self.root / "figures", simulated=experiment.simulated is not None)

    def __repr__(self):
        return f"run folder {self.root} of {self.experiment!r}"

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
        key = cache_key(settings, self.experiment.fingerprints())
        return cached(self.root / "cache" / f"{kind}-{key}.npz", make)

    def write_settings(self, parameters, changed):
        """Write settings.json: all parameters, those that are not as usual, versions, fingerprints of the inputs."""
        values = {
            "experiment": self.experiment.name, "simulated": self.experiment.simulated, "parameters": parameters,
            "changed": changed, "fingerprints": self.experiment.fingerprints(), "date": time.strftime("%Y-%m-%d %H:%M"),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        }  # fmt: skip
        write_json(self.root / "settings.json", values)
