"""The report: every notebook through papermill on a small sample, and the page that comes of it."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from by_hand import blobs_text, middle_nm, write_folder
from lab_browser import CHROMIUM, browser
from sentences import conclusion, known_numbers, numbers_in, stands_in

from mirnb import contents, files, notebook_pages, pdf, report, running, stamps
from mirnb.cli import main
from mirnb.contents import NOTEBOOKS
from mirnb.experiments.experiment_file import load_experiment
from mirnb.files import InputError
from mirnb.report import _converted


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_number_that_a_notebook_ends_with_stands_in_its_tables(notebook, reported):
    root = reported[1].parent
    known, said = known_numbers(root, notebook), conclusion(root, notebook)
    assert said
    strange = {one: [number for number in numbers_in(one) if not stands_in(number, known)] for one in said}
    assert not any(strange.values()), strange


@pytest.mark.slow
def test_verdicts_are_those_of_the_intervals_beside_them(reported):
    root = reported[1].parent
    paired = re.compile(r"(holds|does not hold|cannot be told), [+-][.\d]+ \(([+-][.\d]+|–) to ([+-][.\d]+|–)\)")
    found = [one for line in conclusion(root, "08_classifiers") for one in paired.findall(line)]
    assert len(found) == 4
    for verdict, *ends in found:
        low, high = (float(end.replace("–", "nan")) for end in ends)
        assert verdict == ("holds" if low > 0 else "does not hold" if high < 0 else "cannot be told") or 0 in (low, high)
    counted = pd.read_csv(root / "tables" / "abundance.csv")
    inside = int(counted["true"].between(counted["low"], counted["high"]).sum())
    said = "\n".join(conclusion(root, "09_quantification"))
    assert f"True numbers of molecules inside their 95 % intervals: {inside} of {len(counted)}" in said
    below = counted[counted["molecules"] < counted["detection_limit"]]
    assert ("not told from none: none" in said) == below.empty
    scores = pd.read_csv(root / "tables" / "design_scores.csv")
    reached = scores[scores["own_angle"] & (scores["flux_share"] == 1) & scores["class"].isin(["red", "green", "blue"])]
    said = "\n".join(conclusion(root, "10_panel_design"))
    for name, low, high in reached[["class", "f1_low", "f1_high"]].itertuples(index=False):
        verdict = "holds" if low > 0.8 else "does not hold" if high < 0.8 else "cannot be told"
        assert re.search(rf"Predicted F1 of 0.8 or more [^.]*{verdict} for ([^.;]*{name}|all 3|any of the 3)", said), name


class _Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.tags, self.targets = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.targets += [value for key, value in attrs if key in ("href", "src")]


@pytest.mark.slow
def test_every_notebook_runs_and_is_rendered(reported):
    _, page = reported
    for name in contents.NOTEBOOKS:
        done = nbformat.read(page.parent / "notebooks" / f"{name}.ipynb", as_version=4)
        outputs = [out for cell in done.cells if cell.cell_type == "code" for out in cell.outputs]
        assert not [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"], name
        assert [out for out in outputs if "image/png" in out.get("data", {})], name
        assert (page.parent / "notebooks" / f"{name}.html").stat().st_size > 5000


_TEXTS = """() => {
  const ground = one => { for (let at = one; at; at = at.parentElement) { const color = getComputedStyle(at).backgroundColor;
    if (!color.endsWith(", 0)") && color !== "transparent") return color; } return "rgb(255, 255, 255)"; };
  const seen = new Map();
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some(part => part.nodeType === 3 && part.textContent.trim());
    const color = getComputedStyle(one).color + " on " + ground(one);
    if (own && one.getClientRects().length) seen.set(color, one.textContent.trim().slice(0, 40));
  }
  return [...seen]; }"""


def _pages(page):
    return [page, page.with_name("sheet.html"), *sorted((page.parent / "notebooks").glob("*.html"))]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [400, 1400])
def test_pages_are_read_at_any_width_by_day_and_night(width_px, scheme, reported):
    """No sideways scroll, no message, no broken picture, nothing asked of the outside, every text stands out."""
    said = []
    with browser() as opened:
        shown = opened.new_page(viewport={"width": width_px, "height": 800}, color_scheme=scheme)
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else said.append(request.url))
        for path in _pages(reported[1]):
            shown.goto(path.as_uri(), wait_until="load")
            assert shown.evaluate("document.documentElement.scrollWidth") <= width_px, path.name
            good = "one => one.complete && one.naturalWidth && one.alt"
            assert shown.evaluate(f"[...document.images].every({good})"), path.name
            shown.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
            for colors, text in shown.evaluate(_TEXTS):
                assert _contrast(*colors.split(" on ")) >= 4.5, f"{path.name}: {text!r} {colors}"
    assert said == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_code_is_folded_and_left_out_on_paper(reported):
    with browser() as opened:
        shown = opened.new_page()
        shown.goto((reported[1].parent / "notebooks" / "03_training.html").as_uri())
        assert [shown.locator("summary").nth(k).inner_text() for k in range(3)] == ["parameters", "set for this run", "code"]
        assert not shown.locator(".highlight").first.is_visible()
        shown.locator("summary").first.click()
        assert shown.locator(".highlight").first.is_visible()
        shown.emulate_media(media="print")
        assert not shown.locator("summary").first.is_visible()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_the_page_of_an_assay_is_printed_on_two_sheets(reported, tmp_path):
    page = reported[1].parent / "notebooks" / "11_assay.html"
    shutil.copy(page, tmp_path / "assay.html")
    (printed,) = pdf.print_pages([tmp_path / "assay.html"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 2


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_the_index_is_printed_on_five_pages_at_most_and_the_sheet_on_one(reported):
    printed = pdf.print_pages([reported[1], reported[1].with_name("sheet.html")])
    index, sheet = (len(re.findall(rb"/Type ?/Page\b", path.read_bytes())) for path in printed)
    assert index <= 5
    assert sheet == 1


@pytest.mark.slow
def test_the_first_screen_holds_the_result_and_provenance_comes_last(reported):
    text = reported[1].read_text(encoding="utf-8")
    order = [
        'class="result"', 'class="cards"', "frame_calls_twin_cnn.png", "raw_crops.png", "All classifiers on the same test",
        "confusion_twin_cnn.png", "fig08_confusion_test.png", "Claims of the thesis", "What was analysed, and with what",
    ]  # fmt: skip
    places = [text.index(one) for one in order]
    assert places == sorted(places)
    assert text.count('class="card"') == 4


def _contrast(one, other):
    """Contrast of two colours as WCAG 2 has it, from 1 to 21."""

    def luminance(color):
        shares = np.array([int(value) for value in re.findall(r"\d+", color)[:3]]) / 255
        return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.slow
def test_pages_have_no_script_and_every_link_leads_to_a_file(reported):
    _, page = reported
    for path in _pages(page):
        parsed = _Page(path)
        assert "script" not in parsed.tags
        for target in parsed.targets:
            if not target.startswith(("data:", "#")):
                assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.slow
def test_index_says_what_was_analysed_and_that_it_is_simulated(reported):
    sample, page = reported
    text = page.read_text(encoding="utf-8")
    assert "simulated" in text
    assert "learning_rate = 0.001" in text
    for value in load_experiment(sample).fingerprints().values():
        assert value in text
    for name in [one.name for one in contents.FIGURES]:
        assert f"figures/{name}.png" in text
        assert (page.parent / "figures" / f"{name}.svg").exists()


@pytest.mark.slow
def test_metrics_hold_counts_split_and_scores_of_each_class(reported):
    sample, page = reported
    metrics = json.loads((page.parent / "metrics.json").read_text())
    experiment = load_experiment(sample)
    counts = experiment.count_labels()
    assert metrics["counts"] == {name: counts[name] for name in experiment.panel.names}
    assert sum(sum(one.values()) for one in metrics["split"].values()) == sum(metrics["counts"].values())
    assert metrics["simulated"] is True
    for name in ("validation", "test"):
        scores = metrics["classifiers"]["lenet5"][name]
        assert set(scores["recall"]) == set(scores["precision"]) == set(scores["f1"]) == set(experiment.panel.names)
        assert sum(map(sum, scores["confusion"])) == sum(metrics["split"][name].values())
    assert {"average_precision", "roc_auc"} <= set(metrics["classifiers"]["lenet5"]["test"])


@pytest.mark.slow
def test_a_second_run_trains_nothing(reported):
    sample, page = reported
    made = {path: path.stat().st_mtime_ns for path in (page.parent / "cache").rglob("*") if path.is_file()}
    assert [path for path in made if path.suffix == ".keras"]
    report.make_report(sample, out=page.parent, quick=True, only=["03"], parameters={"learning_rate": "1e-3"})
    assert {path: path.stat().st_mtime_ns for path in (page.parent / "cache").rglob("*") if path.is_file()} == made


@pytest.fixture(scope="module")
def unlabelled(reported, tmp_path_factory):
    """The report's stack as a user's own: what `mirnb new` makes of it, blobs detected."""
    sample, _ = reported
    folder = tmp_path_factory.mktemp("unlabelled") / "mine"
    assert main(["new", str(folder), "--stack", str(sample / "stack.tif"), "--pixel-size", "120"]) == 0
    return folder


@pytest.mark.slow
def test_classify_ends_with_a_page_of_an_unlabelled_stack(reported, unlabelled, tmp_path, capsys):
    _, page = reported
    target = tmp_path / "classified.csv"
    assert main(["classify", str(page.parent / "classifier"), str(unlabelled), "--out", str(target)]) == 0
    said = capsys.readouterr().out
    assert "too near the border" in said
    assert target.read_text().count("\n") == (unlabelled / "blobs.csv").read_text().count("\n")
    shown = Path(re.search(r"page: (.*\.html)", said).group(1))
    text = shown.read_text(encoding="utf-8")
    told = text[text.index('id="what-we-saw"') : text.index("</section>")]
    assert "like the training data" in told
    assert "nobody has measured: label some" in told
    for name in ("frame_counted", "molecules_counted", "abundance"):
        assert (tmp_path / "classified_counted" / f"{name}.png").exists(), name
    assert main(["export-rois", str(unlabelled), "--calls", str(target), "--out", str(tmp_path / "calls.zip")]) == 0
    calls = pd.read_csv(target)["class"].dropna()
    assert f"{len(calls)} calls written" in capsys.readouterr().out


@pytest.mark.slow
def test_the_first_screen_of_an_unlabelled_stack_shows_its_calls_and_counts(reported, unlabelled, tmp_path):
    _, page = reported
    given = {"classifier": str(page.parent / "classifier")}
    index = report.make_report(unlabelled, out=tmp_path / "run", only=["09"], quick=True, parameters=given)
    text, counts = index.read_text(encoding="utf-8"), pd.read_csv(tmp_path / "run" / "tables" / "abundance.csv")
    assert 'class="badge">classifier trained on simulated frames<' in text
    assert ">simulated<" not in text
    for row in counts.to_dict("records"):
        assert f"{row['molecules']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f}) {row['class']}" in text
    assert 'src="figures/frame_counted.png"' in text
    assert 'src="figures/molecules_counted.png"' in text


@pytest.mark.slow
@pytest.mark.usefixtures("no_pages")
def test_the_best_kind_is_copied_and_another_may_be_chosen(reported, tmp_path, capsys):
    sample, page = reported
    classifiers = {path.name for path in (page.parent / "classifiers").iterdir()}
    assert classifiers == {"twin_cnn", "lenet5", "pca_svm", "matched_filter"}
    metrics = json.loads((page.parent / "metrics.json").read_text())
    assert {kind for kind, sets in metrics["classifiers"].items() if "ece" in sets["test"]} == classifiers
    assert json.loads((page.parent / "classifier" / "classifier.json").read_text())["kind"] == "twin_cnn"
    target = str(tmp_path / "classified.csv")
    for kind in sorted(classifiers):
        assert main(["classify", str(page.parent / "classifier"), str(sample), "--kind", kind, "--out", target]) == 0
        assert f"classifier: {kind}\n" in capsys.readouterr().out
    assert main(["classify", str(page.parent), str(sample), "--min-probability", "0.99", "--out", target]) == 0
    assert re.search(r"unsure +\d+", capsys.readouterr().out)
    assert main(["classify", str(page.parent / "classifier"), str(sample), "--kind", "oracle", "--out", target]) == 1
    assert "known are twin_cnn, lenet5, pca_svm, matched_filter" in capsys.readouterr().err


@pytest.mark.slow
def test_the_claims_stand_on_the_index_page_each_with_a_verdict(reported):
    _, page = reported
    claims = json.loads((page.parent / "metrics.json").read_text())["claims"]
    text = page.read_text(encoding="utf-8")
    assert len(claims) == 8
    for one in claims:
        assert one["claim"] in text
        assert re.match("holds|does not hold|cannot be told|not measured", one["verdict"])


@pytest.mark.parametrize(("parameters", "numbers"), [({}, "01 02 10"), ({"classifier": "somebodys"}, "01 02 09 10")])
def test_a_report_without_labels_runs_what_it_can(parameters, numbers, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "_report", lambda chosen, *_, **__: chosen)
    rows = blobs_text([(1, *middle_nm(30, 30))], "frame,x [nm],y [nm]")
    chosen = report.make_report(write_folder(tmp_path / "bare", blobs=rows), out=tmp_path / "run", parameters=parameters)
    assert " ".join(one[:2] for one in chosen) == numbers
    said = capsys.readouterr().out
    assert "no labels, so notebooks that train or test are left out" in said
    assert ("-p classifier CLASSIFIER_DIR has its blobs called" in said) == (not parameters)


@pytest.mark.slow
def test_notebook_01_does_without_labels_or_masks(reported, tmp_path):
    sample, _ = reported
    shutil.copy(sample / "stack.tif", tmp_path)
    rows = [line.rsplit(",", 2)[0] for line in (sample / "blobs.csv").read_text().splitlines()]
    (tmp_path / "blobs.csv").write_text("\n".join(rows) + "\n")
    lines = ['name = "bare"', 'stack = "stack.tif"', 'blobs = "blobs.csv"', "pixel_size_nm = 120"]
    (tmp_path / "experiment.toml").write_text("\n".join(lines))
    bare = report.make_report(tmp_path, out=tmp_path / "run", only=["01"], quick=True)
    shown = (bare.parent / "notebooks" / "01_templates.html").read_text(encoding="utf-8")
    assert "No labels: there is no split and nothing to train; templates are drawn from the panel" in shown
    with pytest.raises(InputError, match="has no labels"):
        report.make_report(tmp_path, out=tmp_path / "run", only=["03"])


@pytest.mark.slow
def test_plain_papermill_runs_a_notebook_from_any_folder(reported, tmp_path, monkeypatch):
    sample, _ = reported
    source = files.ROOT / "notebooks" / "01_templates.ipynb"
    monkeypatch.chdir(tmp_path)
    parameters = {"experiment": str(sample), "out": str(tmp_path / "run"), "background_percentile": 60.0}
    papermill.execute_notebook(str(source), "done.ipynb", parameters=parameters, kernel_name="python3", progress_bar=False)
    assert (tmp_path / "run" / "figures" / "fig02_templates.png").exists()


def test_unknown_parameters_are_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"epoch:.*known are .*epochs"):
        _converted(NOTEBOOKS, {"epoch": "3"})


@pytest.mark.parametrize(
    ("key", "text", "value"), [("epochs", "3", 3), ("learning_rate", "2e-3", 0.002), ("cap_sds", "4", 4.0)]
)
def test_parameters_are_converted_by_their_declared_type(key, text, value):
    converted = report._converted(["03_training"], {key: text})["03_training"][key]
    assert converted == value
    assert type(converted) is type(value)


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="epochs many: expected a whole number"):
        report._converted(["03_training"], {"epochs": "many"})


def test_unknown_notebooks_are_refused():
    with pytest.raises(InputError, match=r"no such notebook.*01_templates"):
        report._choose(["99_nothing"])


def test_what_users_typed_is_escaped():
    page = notebook_pages._PAGES.from_string("{{ text }}").render(text="<b>&")
    assert page == "&lt;b&gt;&amp;"


def _write_notebook(path, *sources):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)


def test_a_notebook_that_fails_is_kept_and_named(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "run" / "notebooks").mkdir(parents=True)
    _write_notebook(tmp_path / "notebooks" / "broken.ipynb", "1 / 0")
    monkeypatch.setattr(running, "NOTEBOOK_FOLDER", tmp_path / "notebooks")
    with (
        running.open_kernel() as kernel,
        pytest.raises(InputError, match=r"broken: division by zero \(ZeroDivisionError.*broken\.failed\.ipynb"),
    ):
        running.execute("broken", tmp_path / "run", {}, kernel)
    assert (tmp_path / "run" / "notebooks" / "broken.failed.ipynb").exists()
    assert not (tmp_path / "run" / "notebooks" / "broken.ipynb").exists()


@pytest.mark.slow
def test_a_kernel_that_dies_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "run" / "notebooks").mkdir(parents=True)
    _write_notebook(tmp_path / "notebooks" / "dying.ipynb", "import os; os._exit(1)", "1")
    monkeypatch.setattr(running, "NOTEBOOK_FOLDER", tmp_path / "notebooks")
    with running.open_kernel() as kernel, pytest.raises(InputError, match="dying: the kernel died"):
        running.execute("dying", tmp_path / "run", {}, kernel)
    assert not (tmp_path / "run" / "notebooks" / "dying.ipynb").exists()


def test_the_pages_style_names_no_outside_address():
    for path in (files.ROOT / "mirnb" / "page").iterdir():
        assert not re.search(r"https?://|//cdn|@import", path.read_text()), path.name


# --------------------------------------------------------------------------------------------------------- a page that grows


@pytest.fixture
def three_notebooks(monkeypatch):
    """A report of three notebooks that take no time: what the page says while each of them runs, and what they do."""
    seen, doing = {}, {}

    def execute(notebook, root, parameters, kernel, *, on_progress):
        seen[notebook] = (root / "index.html").read_text(encoding="utf-8")
        on_progress(0.5)
        doing.get(notebook, lambda: None)()
        (root / "tables").mkdir(exist_ok=True)
        (root / "tables" / f"{notebook}.csv").write_text("1\n")
        nbformat.write(nbformat.v4.new_notebook(), root / "notebooks" / f"{notebook}.ipynb")

    monkeypatch.setattr(report, "execute", execute)
    monkeypatch.setattr(report, "render_notebook", lambda path: path.with_suffix(".html").write_text(path.stem))
    return seen, doing


ONLY = ("01_templates", "03_training", "08_classifiers")


def test_the_page_stands_from_the_start_and_says_what_runs_and_what_is_to_come(
    three_notebooks, small_folder, tmp_path, capsys
):
    seen, _ = three_notebooks
    page = report.make_report(small_folder, out=tmp_path / "run", only=ONLY)
    first, second, third = (seen[name] for name in ONLY)
    assert all('<meta http-equiv="refresh" content="10">' in text for text in seen.values())
    assert re.search(r"Running since \d\d:\d\d:\d\d: 01_templates</strong> \(about 0\.\d min\)\.", first)
    assert (
        "it stopped in 01_templates, and the same command goes on there" in first
    )  # where it is killed, nobody writes that
    assert "nothing yet" in first
    assert re.search(r"To come: 03_training \(about [\d.]+ min\), 08_classifiers \(about [\d.]+ min\)\.", first)
    assert "Done: 01_templates." in second
    assert "Done: 01_templates, 03_training." in third
    assert "To come" not in third
    done = page.read_text(encoding="utf-8")
    assert "refresh" not in done
    assert "Running since" not in done
    said = capsys.readouterr()
    assert re.search(r"3 notebooks to run, about \d minutes the first time", said.out)
    assert "min left" in said.err


@pytest.mark.parametrize(
    ("error", "words"),
    [(InputError("03_training: no light"), "03_training: no light"), (KeyboardInterrupt(), "in the middle of 03_training")],
    ids=["failed", "Ctrl-C"],
)
def test_a_page_of_a_report_that_stopped_says_where_and_keeps_the_rest(
    error, words, three_notebooks, small_folder, tmp_path
):
    def fail():
        raise error

    three_notebooks[1]["03_training"] = fail
    with pytest.raises(type(error)):
        report.make_report(small_folder, out=tmp_path / "run", only=ONLY)
    text = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert f"Stopped: {words}" in text
    assert "refresh" not in text


def test_a_second_report_into_the_same_folder_is_refused(three_notebooks, small_folder, tmp_path):
    def second():
        with pytest.raises(InputError, match="another report is being written there; wait for it"):
            report.make_report(small_folder, out=tmp_path / "run", only=ONLY)

    three_notebooks[1]["03_training"] = second
    page = report.make_report(small_folder, out=tmp_path / "run", only=ONLY)
    assert "Stopped" not in page.read_text(encoding="utf-8")
    report.make_report(small_folder, out=tmp_path / "run", only=("01_templates",))


@pytest.fixture
def its_own(small_folder, tmp_path):
    """An experiment that a test may change."""
    return shutil.copytree(small_folder, tmp_path / "own")


def test_a_second_report_runs_nothing_that_is_unchanged_and_says_from_when_it_is(three_notebooks, its_own, tmp_path, capsys):
    seen, _ = three_notebooks

    def again(only=ONLY, **how):
        seen.clear()
        page = report.make_report(its_own, out=tmp_path / "run", only=only, **how)
        return list(seen), page.read_text(encoding="utf-8")

    assert again()[0] == list(ONLY)
    ran, page = again()
    assert ran == []
    assert len(re.findall(r"<td class=\"when\">\d{4}-\d\d-\d\d \d\d:\d\d, \d+ s</td>", page)) == 3
    assert "3 unchanged since they were run (--fresh runs them, too); nothing to run" in capsys.readouterr().out
    assert again(fresh=True)[0] == list(ONLY)
    assert again(parameters={"epochs": "7"})[0] == ["03_training", "08_classifiers"]  # 01 has no such parameter
    assert again()[0] == ["03_training", "08_classifiers"]
    (tmp_path / "run" / "tables" / "08_classifiers.csv").unlink()
    assert again()[0] == ["08_classifiers"]
    (tmp_path / "run" / "tables" / "01_templates.csv").write_text("2\n")
    assert again()[0] == ["01_templates"]
    (tmp_path / "run" / "notebooks" / "03_training.html").unlink()  # as when it is killed between notebook and page
    assert again()[0] == []
    assert (tmp_path / "run" / "notebooks" / "03_training.html").exists()


@pytest.mark.parametrize("changed", ["blobs", "notebook", "program", "libraries"])
def test_other_inputs_cells_or_code_are_run(changed, three_notebooks, its_own, tmp_path, monkeypatch):
    seen, _ = three_notebooks
    report.make_report(its_own, out=tmp_path / "run", only=ONLY[:1])
    seen.clear()
    if changed == "blobs":
        lines = (its_own / "blobs.csv").read_text().splitlines()
        (its_own / "blobs.csv").write_text("\n".join(lines[:-1]) + "\n")
    elif changed == "notebook":
        shutil.copytree(files.NOTEBOOK_FOLDER, tmp_path / "notebooks")
        monkeypatch.setattr(stamps, "NOTEBOOK_FOLDER", tmp_path / "notebooks")
        text = (tmp_path / "notebooks" / "01_templates.ipynb").read_text()
        (tmp_path / "notebooks" / "01_templates.ipynb").write_text(text.replace("# 01 Templates", "# 01 Molecules"))
    elif changed == "program":
        monkeypatch.setattr(stamps, "program_fingerprint", lambda: "another")
    else:
        monkeypatch.setattr(stamps, "made_by", lambda: "another Keras")
    report.make_report(its_own, out=tmp_path / "run", only=ONLY[:1])
    assert list(seen) == ["01_templates"]


@pytest.mark.slow
def test_a_notebook_finds_nothing_of_the_one_before_in_the_kernel_they_share(tmp_path, monkeypatch):
    _write_notebook(
        tmp_path / "first.ipynb",
        "left = 1\nimport matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = 9",
        "import os; os.getpid()",
    )
    _write_notebook(
        tmp_path / "second.ipynb",
        "import matplotlib.pyplot as plt\nassert 'left' not in globals()\nassert plt.rcParams['lines.linewidth'] != 9\n"
        "import multiprocessing\nwith multiprocessing.get_context('spawn').Pool(1) as pool:\n    pool.map(abs, [1])",
        "import os; os.getpid()",
    )
    (tmp_path / "run" / "notebooks").mkdir(parents=True)
    monkeypatch.setattr(running, "NOTEBOOK_FOLDER", tmp_path)
    shares = []
    with running.open_kernel() as kernel:
        for name in ("first", "second"):
            running.execute(name, tmp_path / "run", {}, kernel, on_progress=shares.append)
    done = [nbformat.read(tmp_path / "run" / "notebooks" / f"{name}.ipynb", 4).cells for name in ("first", "second")]
    assert done[0][1].outputs[0].data == done[1][1].outputs[0].data  # one process
    assert [[cell.execution_count for cell in cells] for cells in done] == [[1, 2], [1, 2]]
    assert shares == [0.5, 1.0, 0.5, 1.0]


@pytest.mark.slow
def test_a_kernel_that_dies_between_two_notebooks_is_one_sentence(tmp_path, monkeypatch):
    _write_notebook(tmp_path / "first.ipynb", "import os; os.getpid()")
    (tmp_path / "run" / "notebooks").mkdir(parents=True)
    monkeypatch.setattr(running, "NOTEBOOK_FOLDER", tmp_path)
    with running.open_kernel() as kernel:
        running.execute("first", tmp_path / "run", {}, kernel)
        running._end_kernels()
        with pytest.raises(InputError, match=r"first: the kernel died .*perhaps for want of memory$"):
            running.execute("first", tmp_path / "run", {}, kernel)


def test_bars_inside_a_cell_are_told_too(tmp_path, monkeypatch):
    (tmp_path / "run" / "notebooks").mkdir(parents=True)
    monkeypatch.setattr(running, "NOTEBOOK_FOLDER", tmp_path)
    source = "from tqdm.auto import tqdm\nimport time\nfor _ in tqdm(range(4), mininterval=0):\n    time.sleep(0.05)"
    _write_notebook(tmp_path / "bars.ipynb", source, "1")
    shares = []
    with running.open_kernel() as kernel:
        running.execute("bars", tmp_path / "run", {}, kernel, on_progress=shares.append)
    assert shares == sorted(shares)
    assert len({round(share, 3) for share in shares} & {0.175, 0.35, 0.525}) >= 2  # quarters of seven tenths
    assert shares[-1] == 1.0


def test_the_usual_minutes_are_those_of_the_readme():
    text = (files.ROOT / "README.md").read_text(encoding="utf-8")
    told = {name: float(minutes) for name, minutes in re.findall(r"^\| (\d\d_\w+) \|.*\| ([\d.]+) \|$", text, re.MULTILINE)}
    assert told == contents.MINUTES
    assert set(contents.MINUTES) == set(NOTEBOOKS)
