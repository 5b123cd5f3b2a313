"""The index of a report and its one printed sheet: the result first, where it comes from last; files that work offline."""

import contextlib
import time

from mirnb.classifiers.scores import in_time
from mirnb.contents import FIGURES, MINUTES, NOTEBOOKS
from mirnb.counting.looks import first_sight
from mirnb.files import InputError, listed, read_json
from mirnb.notebook_pages import write_page
from mirnb.studies import headline

REFRESH_S = 10
# the first there is
_FRAMES = "frame_calls_twin_cnn", "frame_calls", "frame_counted"
_MOLECULES = "molecules_counted", "raw_crops"
_ALIKE = "confusion_twin_cnn", "fig08_confusion_test", "precision_recall_twin_cnn", "precision_recall"
_MORE = ("rivals", "scores_test", "abundance", "fig02_templates", "fig10_crops", "fig09_roc", "crosstalk",
         "fig04_complexity", "design_separability")  # fmt: skip


def write_index(run, *, done=(), now="", to_come=(), stopped=""):
    """Write the page to read first, also while notebooks run, and the sheet to print: path of the index.

    Parameters
    ----------
    done : sequence of str
        Notebooks that are up to date.
    now : str
        The notebook that runs: the page then loads itself again until it is done.
    to_come : sequence of str
        Notebooks behind it.
    stopped : str
        Why there will be no more.
    """
    root, panel = run.root, run.experiment.panel
    metrics = read_json(root / "metrics.json") if (root / "metrics.json").exists() else {}
    there = {figure.name: figure for figure in FIGURES if (root / "figures" / f"{figure.name}.png").exists()}
    labelled = bool(run.experiment.labelled.any())
    columns, rows = headline.comparison(metrics, panel)
    result, badges, cards = headline.first_sight(metrics, panel) if labelled else first_sight(run)
    values = {
        "experiment": run.experiment, "labelled": labelled, "metrics": metrics,
        "settings": read_json(root / "settings.json"), "result": result, "badges": badges, "cards": cards,
        "columns": columns, "rows": rows,
        "frame": next((there[name] for name in _FRAMES if name in there), None),
        "molecules": next((there[name] for name in (_MOLECULES[::-1] if labelled else _MOLECULES) if name in there), None),
        "alike": [there[name] for name in _ALIKE if name in there], "more": [there[name] for name in _MORE if name in there],
        "notebooks": [_about(root, name, there) for name in NOTEBOOKS if (root / "notebooks" / f"{name}.html").exists()],
        "done": done, "now": now, "minutes": MINUTES.get(now), "clock": time.strftime("%H:%M:%S"), "stopped": stopped,
        "to_come": [(name, MINUTES[name]) for name in to_come], "refresh_s": REFRESH_S,
        "cache_mib": sum(path.stat().st_size for path in (root / "cache").rglob("*") if path.is_file()) / 2**20,
    }  # fmt: skip
    write_page(root / "sheet.html", "sheet.html", **values)
    write_page(root / "index.html", "index.html", **values)
    return root / "index.html"


def _about(root, name, there):
    """Of a notebook: when it was run, how long that took, and the figures and tables it wrote."""
    made = {}
    with contextlib.suppress(InputError):  # it may have been deleted, to be run again
        made = read_json(root / "notebooks" / f"{name}.ipynb").get("metadata", {}).get("mirnb", {})
    tables = [path.name for path in listed(root / "tables", "*.csv") if f"tables/{path.name}" in made.get("files", {})]
    figures = [figure for figure in there.values() if figure.notebook == name]
    took = made.get("seconds")
    return {
        "name": name,
        "date": made.get("date"),
        "took": "" if took is None else in_time(took),
        "figures": figures,
        "tables": tables,
    }
