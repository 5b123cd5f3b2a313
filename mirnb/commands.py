"""What each command does with the options of the command line; returns the exit code. Imports wait until they are needed."""

import shlex
import shutil
import signal
import sys
from pathlib import Path


def _typed():
    """This program as it is to be typed, from the working folder: its path where the environment is not activated."""
    beside = Path(sys.executable).parent / "mirnb"
    if shutil.which("mirnb") or not beside.exists():
        return "mirnb"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))


def run_simulate(options):
    from mirnb.design.pairs import separations
    from mirnb.experiments.panel_file import load_panel
    from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
    from mirnb.simulation.settings import settings_of

    panel = load_panel(options.panel)
    if options.dilution:
        return _simulate_dilution(options, panel)
    n_frames = options.frames or 30
    how = {"panel": panel, "settings": settings_of(panel, n_frames=n_frames), "seed": options.seed}
    if options.only:
        simulate_experiment(options.folder, only=options.only, **how)
    else:
        simulate_with_single_types(options.folder, **how)
    print(f"{options.folder}: {n_frames} simulated frames, blobs and their truth")
    nearest = separations(panel).sort_values("distance_px").iloc[0]
    if nearest["nearest"]:
        print(
            f"panel {panel.name}: the two nearest separations, of {nearest['class']} and {nearest['nearest']}, lie "
            f"{nearest['distance_px']:.2f} px apart"
        )
    return 0


def _simulate_dilution(options, panel):
    from mirnb.simulation.dilution import N_FRAMES, simulate_dilution

    samples, stacks = simulate_dilution(options.folder, panel=panel, n_frames=options.frames or N_FRAMES, seed=options.seed)
    folder = shlex.quote(str(options.folder))
    print(f"{options.folder}: {len(stacks)} simulated samples; which is which stands in {samples}")
    print(f"next: {_typed()} quantify reports/demo/classifier {folder}/*/stack.tif --samples {folder}/samples.csv "
          f"--out {folder}/counted")  # fmt: skip
    return 0


def run_new(options):
    from mirnb.experiments.experiment_file import write_new_experiment

    how = {"blobs": options.blobs, "pixel_size_nm": options.pixel_size, "panel": options.panel}
    how["take"] = dict(options.take)
    toml = write_new_experiment(options.folder, options.stack, **how)
    print(toml.read_text(encoding="utf-8"), end="")
    folder, typed = shlex.quote(str(options.folder)), _typed()
    if not options.blobs:
        blobs = toml.with_name("blobs.csv")
        print(f"{len(blobs.read_text(encoding='utf-8').splitlines()) - 1} blobs found: {blobs}")
    print(f"written: {toml}")
    print(f"what is in it, and whether it fits: {typed} check {folder}")
    print(f"next, where blobs have labels: {typed} report {folder}")
    print(f"next, without labels: {typed} classify reports/demo/classifier {folder} --out {folder}/classified.csv")
    return 0


def run_check(options):
    from mirnb.experiments.check import check_experiment

    check = check_experiment(options.folder)
    for line in [*check.found, *(f"warning: {one}" for one in check.warnings)]:
        print(line)
    for line in check.problems:
        print(f"problem: {line}", file=sys.stderr)
    if check.problems:
        print(f"{len(check.problems)} to mend", file=sys.stderr)
    else:
        print("no problem found")
    return 1 if check.problems else 0


def run_report(options):
    from mirnb.files import ROOT
    from mirnb.report import list_parameters, make_report
    from mirnb.workspace import DEMO, make_demo_if_missing

    if options.list_parameters:
        print(*list_parameters(options.only), sep="\n")
        return 0
    if options.pdf:
        from mirnb.pdf import find_chromium, print_pages

        find_chromium()  # before work that takes minutes
    make_demo_if_missing(options.folder)
    page = make_report(
        options.folder, out=options.out, only=options.only, quick=options.quick, fresh=options.fresh,
        parameters=dict(options.parameters),
    )  # fmt: skip
    print(f"report: {page}")
    if options.folder.resolve() == ROOT / DEMO:
        print(f"next, a stack of your own: {_typed()} new DIR --stack FILE.tif [--pixel-size NM]")
    if options.pdf:
        print(*(f"printed: {one}" for one in print_pages([page, page.with_name("sheet.html")])), sep="\n")
    return 0


def run_lab(options):
    import subprocess

    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.workspace import copy_notebooks, make_demo_if_missing

    make_demo_if_missing(options.folder)
    load_experiment(options.folder)
    folder = options.folder / "notebooks"
    copied = copy_notebooks(folder, experiment=options.folder)
    print(f"{folder}: {len(copied)} notebooks copied, set to {options.folder}; those there already stay as they are")
    safe = "--MappingKernelManager.transport_encryption=auto"
    command = [sys.executable, "-P", "-m", "jupyterlab", safe, f"--ServerApp.root_dir={folder}", *options.jupyter]
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is JupyterLab's to answer
    try:
        return subprocess.call(command)
    finally:
        signal.signal(signal.SIGINT, heard)


def run_tune(options):
    from mirnb.classifiers.dataset import prepare
    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.experiments.run_folder import RunFolder
    from mirnb.studies import tuning
    from mirnb.workspace import make_demo_if_missing

    make_demo_if_missing(options.folder)
    run = RunFolder(load_experiment(options.folder), options.out)
    data = prepare(run, seed=options.seed)
    sweeps = tuning.plan(options.setting or tuning.NETWORK + tuning.OPTIMIZERS, data.crops.shape[1:])
    table = tuning.tune(sweeps, data, run, n_repeats=options.repeats, seed=options.seed, scheduler=options.scheduler)
    for name in tuning.write_tables(table, sweeps, run):
        print(f"written: {name}")
    print(tuning.summary(table).round(3).to_string())
    return 0


def run_design(options):
    from mirnb.design.planning import ANGLES_DEG, QUICK, design, in_words, plan_panels, separations_in_columns
    from mirnb.report import design_page

    plan = plan_panels(options.panels, options.out, effort=QUICK if options.quick else None, seed=options.seed)
    chosen = {"angles": options.angle or list(ANGLES_DEG), "least_f1": options.least_f1, "subset": options.subset}
    designed = design(plan, **chosen)
    print(separations_in_columns(designed).drop(columns="remark").to_string())
    print(*in_words(designed), sep="\n")
    page = design_page(options.out, panels=options.panels, **chosen, seed=options.seed, quick=options.quick)
    print(f"page: {page}")
    return 0


def run_import_rois(options):
    import pandas as pd

    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.labelling.annotations import Annotation
    from mirnb.labelling.rois import NEAR_PX, nearest_blobs, read_points

    experiment = load_experiment(options.folder)
    experiment.require_blobs()
    stack = experiment.panel, len(experiment.stack)
    read = [read_points(path, *stack, unnamed=options.unnamed) for path in options.rois]
    points = pd.concat(read, ignore_index=True)
    blobs = nearest_blobs(points, experiment)
    near = blobs >= 0
    with Annotation(experiment, options.annotator) as own:
        own.give(blobs[near], points["label"].to_numpy()[near])
    print(f"{near.sum()} of {len(points)} points became labels of {options.annotator}")
    for point in points[~near].itertuples():
        print(
            f"no blob within {NEAR_PX:g} px: {point.roi}, frame {point.frame + 1}, x {point.x_px:.1f}, y {point.y_px:.1f} px"
        )
    return 0


def run_export_rois(options):
    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.labelling.rois import with_calls, write_rois

    experiment = load_experiment(options.folder)
    experiment.require_blobs()
    what = "labels"
    if options.calls:
        experiment, what = with_calls(experiment, options.calls), "calls"
    print(f"{write_rois(options.out, experiment)} {what} written: {options.out}")
    return 0


def run_classify(options):
    from mirnb.classifiers.classifier import about_noise, count_classes, load_classifier
    from mirnb.classifiers.crosstalk import promise
    from mirnb.classifiers.making import train_facts
    from mirnb.experiments.blobs import write_table
    from mirnb.experiments.check import require_dispersion
    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.experiments.placement import warn_of_places

    experiment = load_experiment(options.folder)
    experiment.require_blobs()
    warn_of_places(experiment)
    require_dispersion(experiment)
    classifier = load_classifier(options.classifier, kind=options.kind)
    promised = None
    if options.max_crosstalk:
        classifier = train_facts(classifier)
        promised = promise(classifier.facts, classifier.panel, options.max_crosstalk)
    table = classifier.classify(experiment, min_probability=options.min_probability, promise=promised)
    write_table(options.out, table)
    print(f"classifier: {classifier.kind}")
    if promised:
        print(*promised.in_words(), sep="\n")
    for line in about_noise(classifier, experiment):
        print(line)
    print(count_classes(table, classifier.panel).to_string())
    print(f"crowded (another blob inside the window)  {int(table['crowded'].sum())}")
    print(f"written: {options.out}", flush=True)
    _page_of_calls(options, classifier)
    return 0


def _page_of_calls(options, classifier):
    import nbformat

    from mirnb.files import InputError
    from mirnb.notebook_pages import conclusion_of
    from mirnb.report import quantification_page

    folder = options.out.with_name(f"{options.out.stem}_counted")
    try:
        page = quantification_page(folder, classifier=classifier.folder, stacks=[str(options.folder)])
    except InputError as error:  # such as a classifier that cannot count
        print(f"no page: {error}")
        return
    if page.with_suffix(".ipynb").exists():
        print(*conclusion_of(nbformat.read(page.with_suffix(".ipynb"), as_version=4)), sep="\n")
    print(f"page: {page}")


def run_overlay(options):
    from mirnb.experiments.experiment_file import experiment_of_stack, load_experiment
    from mirnb.labelling.overlay import write_overlay
    from mirnb.labelling.rois import with_calls

    if (Path(options.stack) / "experiment.toml").is_file():
        experiment = load_experiment(options.stack)
    else:
        experiment = experiment_of_stack(options.stack, panel=options.panel, pixel_size_nm=options.pixel_size)
    frame = None if options.frame is None else options.frame - 1
    print(f"{write_overlay(options.out, with_calls(experiment, options.table), frame=frame)}: {options.out}")
    return 0


def run_detect(options):
    from mirnb.experiments.blobs import write_table
    from mirnb.experiments.stacks import Stack
    from mirnb.imaging.detection import detect_stack

    stack = Stack([options.stack], take=dict(options.take))
    pixel_size_nm = stack.choose_pixel_size(options.pixel_size)
    table = detect_stack(stack, pixel_size_nm=pixel_size_nm)
    write_table(options.out, table)
    print(f"{len(table)} blobs on {len(stack)} frames, {pixel_size_nm:g} nm a pixel; written: {options.out}")
    return 0


def run_quantify(options):
    import nbformat

    from mirnb.classifiers.classifier import load_classifier
    from mirnb.counting import run_history
    from mirnb.counting.quantification import has_standards, in_words, plan_files, quantify_plan
    from mirnb.notebook_pages import conclusion_of
    from mirnb.report import assay_page, quantification_page

    given = {"stacks": options.stacks, "blobs": options.blobs, "samples": options.samples}
    plan = plan_files(load_classifier(options.classifier), out=options.out, **given)
    found = quantify_plan(plan, keep_frames=options.keep_frames, scheduler=options.scheduler, seed=options.seed)
    print(*in_words(found.stacks), sep="\n")
    shown = found.abundance[["sample", "class", "counted", "molecules", "low", "high", "share", "remark"]]
    print(shown.round({"molecules": 0, "low": 0, "high": 0, "share": 3}).to_string(index=False))
    if found.remark:
        print(f"warning: {found.remark}")
    if options.history:
        n = run_history.append_run(options.history, found.abundance)
        print(f"{options.history}: " + (f"{n} rows added" if n else "this run is there already"))
        print(*run_history.in_words(run_history.read_runs(options.history)), sep="\n")
    told = {"classifier": plan.classifier.folder, "keep_frames": options.keep_frames, "seed": options.seed, **given}
    page = quantification_page(options.out, history=options.history or "", **told)
    print(f"page: {page}")
    if has_standards(found.samples):
        page = assay_page(options.out, **told)
        print(*conclusion_of(nbformat.read(page.with_suffix(".ipynb"), as_version=4)), sep="\n")
        print(f"page of the assay, to hand over: {page}")
    return 1 if (found.stacks["verdict"] == "failed").any() else 0


def run_notebooks(options):
    from mirnb.workspace import copy_notebooks

    copied = copy_notebooks(options.folder)
    print(f"{len(copied)} notebooks copied: {options.folder}; jupyter lab {options.folder} opens them")
    return 0
