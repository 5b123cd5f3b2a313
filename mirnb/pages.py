"""The pages of a report: notebooks as HTML, and the index; plain files that work offline."""

import time
from dataclasses import dataclass

import nbformat
from jinja2 import Environment, PackageLoader
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from mirnb import __version__
from mirnb.classifiers.kinds import KINDS
from mirnb.files import NOTEBOOK_FOLDER, listed, read_json, whole_file
from mirnb.studies.thesis import printed_scores

NOTEBOOKS = tuple(path.stem for path in listed(NOTEBOOK_FOLDER, "[0-9][0-9]_*.ipynb") if "-" not in path.stem)  # no copy
MINUTES = {  # each usually takes, the first time, on two cores
    "01_templates": 0.1, "02_correlation_comparison": 0.1, "03_training": 0.4, "04_evaluation": 0.1, "05_roc_pr": 0.1,
    "06_tuning": 1.7, "07_optimizers": 0.4, "08_classifiers": 2.5, "09_quantification": 0.5, "10_panel_design": 0.3,
}  # fmt: skip
# thesis figure, our figure file, notebook, what it shows; the first of a thesis figure stands on the index page
FIGURES = (
    ("2", "fig02_templates", "01_templates", "Median template of each miR and its response to all templates"),
    ("2 (cell 6)", "template_pairs", "01_templates", "Templates with each other"),
    ("1", "fig01_techniques", "02_correlation_comparison", "Cosine similarity, cross-correlation, original"),
    ("10", "fig10_crops", "02_correlation_comparison", "Response crops of each class"),
    ("2 (text)", "peaks", "02_correlation_comparison", "Peaks of each template on each miR"),
    ("class counts (cell 17)", "class_counts", "03_training", "Crops of each class in each set"),
    ("3", "fig03_network", "03_training", "The network"),
    ("losses (cell 14)", "learning_curves", "03_training", "Learning curves beside the printed losses"),
    ("7", "fig07_confusion", "03_training", "Confusion on training, validation and both"),
    ("8", "fig08_confusion_test", "04_evaluation", "Confusion on test"),
    ("8 (text)", "scores_test", "04_evaluation", "Recall and precision on test, with intervals"),
    ("–", "reliability", "04_evaluation", "Are the probabilities right?"),
    ("–", "mistakes", "04_evaluation", "Mistakes looked at"),
    ("9", "fig09_roc", "05_roc_pr", "ROC curves on test"),
    ("9 (cell 16)", "precision_recall", "05_roc_pr", "Precision-recall curves with true chance lines"),
    ("4", "fig04_complexity", "06_tuning", "F1 against the number of weights, the optimum marked"),
    ("5", "fig05_filter1", "06_tuning", "Precision and recall against the filters of the first convolution"),
    ("5 (filter3 = 30)", "fig05_filter1_filter3_30", "06_tuning", "The same with 30 units in the dense layer"),
    ("11", "fig11_filter2", "06_tuning", "Precision and recall against the filters of the second convolution"),
    ("12", "fig12_filter3", "06_tuning", "Precision and recall against the units of the first dense layer"),
    ("13", "fig13_kernel", "06_tuning", "Precision and recall against the size of the kernels"),
    ("2.3.1 (text)", "pooling", "06_tuning", "Precision and recall against the pooling"),
    ("6, 14", "fig06_sgd", "07_optimizers", "Precision and recall against the learning rate of SGD"),
    ("2.3.2 (text)", "adam", "07_optimizers", "Precision and recall against the learning rate of Adam"),
    ("–", "rivals", "08_classifiers", "Classifiers compared on the same test crops"),
    ("–", "learning_curve", "08_classifiers", "F1 against the number of labels, with and without pre-training"),
    ("–", "reliability_rivals", "08_classifiers", "Are the probabilities of each classifier right?"),
    ("–", "crosstalk", "08_classifiers", "Crosstalk between miRs against the share of calls rejected"),
    ("–", "mistakes_twin_cnn", "08_classifiers", "Mistakes of the twin-trained CNN looked at"),
    ("–", "confusion_folds", "09_quantification", "Confusion out of fold, which counts are corrected with"),
    ("–", "abundance", "09_quantification", "miRs counted in new samples, with intervals"),
    ("–", "design_profiles", "10_panel_design", "Light of each pair, and separations as they would be measured"),
    ("–", "design_confusion", "10_panel_design", "Predicted confusion"),
    ("–", "design_separability", "10_panel_design", "Predicted F1 against the prism angle and the light"),
    ("–", "design_subsets", "10_panel_design", "How far the best pairs lie apart, by their number"),
)
_SHOWN = (
    "fig02_templates", "fig10_crops", "fig08_confusion_test", "scores_test", "fig09_roc", "precision_recall",
    "fig04_complexity", "rivals", "crosstalk", "abundance", "design_separability",
)  # fmt: skip


REFRESH_S = 10
_FOLDED = """{% extends "basic/index.html.j2" %}
{% block input_group %}{% set tags = cell.metadata.get("tags", []) %}<details class="code"><summary>{{
"parameters" if "parameters" in tags else "set for this run" if "injected-parameters" in tags else "code"
}}</summary>{{ super() }}</details>{% endblock %}"""
_PAGES = Environment(loader=PackageLoader("mirnb", "page"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


@dataclass(frozen=True)
class Ran:
    notebook: str
    seconds: float
    date: str  # when it was run
    kept: bool  # since then, being unchanged


def _write_page(path, template, **values):
    with whole_file(path) as temporary:
        temporary.write_text(_PAGES.get_template(template).render(**values, version=__version__), encoding="utf-8")


def render_notebook(path, *, has_index=True):
    """Render an executed notebook as a page of its own, without scripts; `has_index`: of a report, whose index it names."""
    notebook = nbformat.read(path, as_version=4)
    exporter = HTMLExporter(raw_template=_FOLDED, exclude_anchor_links=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(notebook)
    light, dark = (HtmlFormatter(style=one).get_style_defs(".highlight") for one in ("default", "github-dark"))
    style = f"{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}"
    page = path.with_suffix(".html")
    date = notebook.metadata.get("mirnb", {}).get("date")
    _write_page(page, "notebook.html", title=path.stem, body=body, has_index=has_index, pygments=style, date=date)
    return page


def is_rendered(path):
    """Whether an executed notebook has its page, made after it."""
    page = path.with_suffix(".html")
    return page.is_file() and page.stat().st_mtime >= path.stat().st_mtime


def write_index(run, ran, *, now="", to_come=(), stopped=""):
    """Write the page to read first, also while notebooks run: path.

    Parameters
    ----------
    ran : list of Ran
    now : str
        The notebook that runs: the page then loads itself again until it is done.
    to_come : sequence of str
        Notebooks behind it.
    stopped : str
        Why there will be no more.
    """
    root, experiment = run.root, run.experiment
    metrics = read_json(root / "metrics.json") if (root / "metrics.json").exists() else {}
    figures = [
        {"thesis": number, "file": f"figures/{name}.png", "notebook": notebook, "title": title, "name": name}
        for number, name, notebook, title in FIGURES
        if (root / "figures" / f"{name}.png").exists()
    ]
    values = {
        "experiment": experiment, "metrics": metrics, "settings": read_json(root / "settings.json"), "figures": figures,
        "scores": score_rows(metrics, experiment.panel), "ran": ran,
        "shown": [figure for figure in figures if figure["name"] in _SHOWN],
        "notebooks": [name for name in NOTEBOOKS if (root / "notebooks" / f"{name}.html").exists()],
        "tables": [path.name for path in listed(root / "tables", "*.csv")],
        "now": now, "minutes": MINUTES.get(now), "clock": time.strftime("%H:%M:%S"), "stopped": stopped,
        "to_come": [(name, MINUTES[name]) for name in to_come], "refresh_s": REFRESH_S,
        "cache_mib": sum(path.stat().st_size for path in (root / "cache").rglob("*") if path.is_file()) / 2**20,
    }  # fmt: skip
    _write_page(root / "index.html", "index.html", **values)
    return root / "index.html"


def score_rows(metrics, panel):
    """Scores of each classifier, set and miR; the thesis's own where they are of the same panel and on test."""
    printed = printed_scores(panel)
    rows = []
    for kind, sets in metrics.get("classifiers", {}).items():
        for name, scores in sets.items():
            if name == "validation" and "test" in sets:
                continue
            first = {"classifier": KINDS[kind].title if kind in KINDS else kind, "set": name}
            beside = printed if name == "test" and kind == "lenet5" else {}
            for mir in panel.mir_names:
                keys = ("recall", "precision", "f1", "roc_auc", "average_precision")
                values = {key: scores.get(key, {}).get(mir) for key in keys}
                thesis = {f"thesis_{key}": figures[mir] for key, figures in beside.items()}
                rows.append({**first, "class": mir, **values, **thesis})
    return rows
