"""The commands: mirnb simulate, check, report, tune, design, import-rois, export-rois, classify, detect, quantify."""

import argparse
import sys
from pathlib import Path

from mirnb import __version__
from mirnb.files import InputError


def main(arguments=None):
    """Run a command; user errors are one message and exit code 1, never a stack trace."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except InputError as error:
        print(f"mirnb: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"mirnb: {where}{error.strerror or error}; what was finished is kept, run the command again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mirnb: stopped; what was finished is kept, run the command again to go on", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="mirnb", description="Tell microRNAs apart, one molecule at a time, from dispersed microscope images."
    )
    parser.add_argument("--version", action="version", version=f"mirnb {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    simulate = commands.add_parser("simulate", help="write a simulated experiment, with its truth")
    simulate.add_argument("folder", metavar="DIR", type=Path, help="experiment folder to write")
    simulate.add_argument("--frames", type=_positive, default=30, help="number of frames (default 30)")
    simulate.add_argument("--seed", type=_not_negative, default=3, help="same seed, same files (default 3)")
    simulate.add_argument("--panel", default="thesis", help="thesis, six, twelve or a panel file (default thesis)")
    simulate.add_argument("--only", metavar="MIR", help="only this miR and noise: a single-type sample")
    simulate.set_defaults(run=_simulate)

    check = commands.add_parser("check", help="say what an experiment folder holds, and every problem at once")
    check.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    check.set_defaults(run=_check)

    report = commands.add_parser("report", help="run the notebooks and write the report")
    report.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    report.add_argument("--out", type=Path, help="run folder (default reports/NAME)")
    report.add_argument(
        "--only", metavar="NOTEBOOK", action="append", default=[], help="only this notebook; may be repeated"
    )
    report.add_argument("--quick", action="store_true", help="few frames and one epoch: does everything run?")
    report.add_argument(
        "-p", dest="parameters", metavar=("KEY", "VALUE"), nargs=2, action="append", default=[],
        help="set a notebook parameter; may be repeated",
    )  # fmt: skip
    report.set_defaults(run=_report)

    tune = commands.add_parser("tune", help="vary the network's settings over many trainings; goes on where it was stopped")
    tune.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    tune.add_argument(
        "--setting", metavar="NAME[=VALUES]", action="append", default=[],
        help="such as filter1, or kernel=3,5,7; may be repeated (default: all sweeps of the thesis)",
    )  # fmt: skip
    tune.add_argument("--repeats", type=_positive, default=30, help="trainings of each value (default 30)")
    tune.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster; processes of this machine by default"
    )
    tune.add_argument("--seed", type=_not_negative, default=3, help="of the split and the weights (default 3)")
    tune.add_argument("--out", type=Path, help="run folder (default reports/NAME)")
    tune.set_defaults(run=_tune)

    design = commands.add_parser(
        "design", help="plan a panel: which colour pairs could be told apart, before probes are ordered"
    )
    design.add_argument("panels", metavar="PANEL", nargs="+", help="a named panel or a panel file")
    design.add_argument(
        "--angle", type=float, action="append", default=[], metavar="DEG",
        help="prism angle to try beside the panel's own; may be repeated (default 175, 176, 177, 177.5 and 178)",
    )  # fmt: skip
    design.add_argument(
        "--subset", type=_positive, default=0, metavar="K", help="in place of the panel, the best K pairs of its dyes"
    )
    design.add_argument(
        "--least-f1", type=_share, default=0.8, metavar="F1", help="score for which the least light is told (default 0.8)"
    )
    design.add_argument("--seed", type=_not_negative, default=3, help="same seed, same predictions (default 3)")
    design.add_argument("--quick", action="store_true", help="few crops and one epoch: does everything run?")
    design.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for tables, figures, panels and page")
    design.set_defaults(run=_design)

    import_rois = commands.add_parser("import-rois", help="labels from ImageJ's point ROIs, to the nearest blobs")
    import_rois.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    import_rois.add_argument("rois", metavar="FILE", type=Path, nargs="+", help=".roi or .zip; name or group says the class")
    import_rois.add_argument(
        "--class", dest="unnamed", default="", metavar="CLASS", help="of ROIs whose name and group say none"
    )
    import_rois.add_argument("--annotator", default="imagej", metavar="NAME", help="whose labels they are (default imagej)")
    import_rois.set_defaults(run=_import_rois)

    export_rois = commands.add_parser("export-rois", help="labels as a ROI set, to open on the stack in ImageJ")
    export_rois.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    export_rois.add_argument("--out", type=Path, required=True, metavar="FILE.zip", help="ROI set to write")
    export_rois.set_defaults(run=_export_rois)

    classify = commands.add_parser("classify", help="classify the blobs of an experiment with a trained classifier")
    classify.add_argument("classifier", metavar="CLASSIFIER_DIR", type=Path, help="e.g. reports/demo/classifier")
    classify.add_argument("folder", metavar="DIR", type=Path, help="experiment folder, labelled or not")
    classify.add_argument(
        "--kind", default="", metavar="KIND", help="best, lenet5, pca_svm or matched_filter of that report"
    )
    classify.add_argument(
        "--min-probability", type=_share, default=0.0, metavar="P", help="blobs less sure than this are called unsure"
    )
    classify.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="blob table to write")
    classify.set_defaults(run=_classify)

    detect = commands.add_parser("detect", help="find the blobs of a stack, as ThunderSTORM does by default")
    detect.add_argument("stack", metavar="STACK", help="TIFF file, or its address (s3://, gs://, ...)")
    detect.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="blob table to write")
    detect.add_argument("--pixel-size", type=_above_0, default=120.0, metavar="NM", help="nm a pixel (default 120)")
    detect.set_defaults(run=_detect)

    quantify = commands.add_parser("quantify", help="count the miRs of new stacks: abundances with intervals")
    quantify.add_argument("classifier", metavar="CLASSIFIER_DIR", type=Path, help="e.g. reports/demo/classifier")
    quantify.add_argument("stacks", metavar="STACK", nargs="+", help="TIFF file, its address, or an experiment folder")
    quantify.add_argument(
        "--blobs", type=Path, nargs="+", default=[], metavar="CSV", help="blob tables in the order of the stacks"
    )
    quantify.add_argument("--samples", default="", metavar="samples.csv", help="columns stack, sample, role, replicate")
    quantify.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster; processes of this machine by default"
    )
    quantify.add_argument("--seed", type=_not_negative, default=3, help="of the intervals (default 3)")
    quantify.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for tables, figure and page")
    quantify.set_defaults(run=_quantify)
    return parser


def _not_negative(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {number}")
    return number


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number


def _above_0(text):
    number = float(text)
    if not 0 < number < 1e5:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return number


def _share(text):
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must lie from 0 to below 1, got {text}")
    return number


def _simulate(options):
    from mirnb.design.pairs import separations
    from mirnb.experiments.panel_file import load_panel
    from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
    from mirnb.simulation.settings import settings_of

    panel = load_panel(options.panel)
    settings = settings_of(panel, n_frames=options.frames)
    if options.only:
        simulate_experiment(options.folder, panel=panel, settings=settings, seed=options.seed, only=options.only)
    else:
        simulate_with_single_types(options.folder, panel=panel, settings=settings, seed=options.seed)
    print(f"{options.folder}: {options.frames} simulated frames, blobs and their truth")
    nearest = separations(panel).sort_values("distance_px").iloc[0]
    if nearest["nearest"]:
        print(
            f"panel {panel.name}: the two nearest separations, of {nearest['class']} and {nearest['nearest']}, lie "
            f"{nearest['distance_px']:.2f} px apart"
        )
    return 0


def _check(options):
    from mirnb.experiments.check import check_experiment

    check = check_experiment(options.folder)
    for line in check.found:
        print(line)
    for line in check.warnings:
        print(f"warning: {line}")
    for line in check.problems:
        print(f"problem: {line}", file=sys.stderr)
    print("no problem found" if not check.problems else f"{len(check.problems)} to mend", flush=True)
    return 1 if check.problems else 0


def _report(options):
    from mirnb.report import make_report
    from mirnb.workspace import make_demo_if_missing

    make_demo_if_missing(options.folder)
    page = make_report(
        options.folder, out=options.out, only=options.only, quick=options.quick, parameters=dict(options.parameters)
    )
    print(f"report: {page}")
    return 0


def _tune(options):
    from mirnb.classifiers.dataset import prepare
    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.experiments.run_folder import RunFolder
    from mirnb.files import ROOT
    from mirnb.studies import tuning
    from mirnb.workspace import make_demo_if_missing

    make_demo_if_missing(options.folder)
    experiment = load_experiment(options.folder)
    run = RunFolder(experiment, options.out or ROOT / "reports" / experiment.name)
    data = prepare(experiment, run, seed=options.seed)
    sweeps = tuning.plan(options.setting or tuning.NETWORK + tuning.OPTIMIZERS, data.crops.shape[1:])
    table = tuning.tune(sweeps, data, run, n_repeats=options.repeats, seed=options.seed, scheduler=options.scheduler)
    for name in tuning.write_tables(table, sweeps, run):
        print(f"written: {name}")
    print(tuning.summary(table).round(3).to_string())
    return 0


def _design(options):
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


def _import_rois(options):
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


def _export_rois(options):
    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.labelling.rois import write_rois

    experiment = load_experiment(options.folder)
    experiment.require_blobs()
    print(f"{write_rois(options.out, experiment)} labels written: {options.out}")
    return 0


def _classify(options):
    from mirnb.classifiers.calls import about_noise, classify, count_classes
    from mirnb.classifiers.classifier import load_classifier
    from mirnb.experiments.blobs import write_table
    from mirnb.experiments.check import require_dispersion
    from mirnb.experiments.experiment_file import load_experiment

    experiment = load_experiment(options.folder)
    experiment.require_blobs()
    require_dispersion(experiment)
    classifier = load_classifier(options.classifier, kind=options.kind)
    table = classify(classifier, experiment, min_probability=options.min_probability)
    write_table(options.out, table)
    print(f"classifier: {classifier.kind}")
    for line in about_noise(classifier, experiment):
        print(line)
    print(count_classes(table, classifier.panel).to_string())
    print(f"crowded (another blob inside the window)  {int(table['crowded'].sum())}")
    print(f"written: {options.out}")
    return 0


def _detect(options):
    from mirnb.experiments.blobs import write_table
    from mirnb.experiments.stacks import Stack
    from mirnb.imaging.detection import detect_stack

    stack = Stack([options.stack])
    table = detect_stack(stack, pixel_size_nm=options.pixel_size)
    write_table(options.out, table)
    print(f"{len(table)} blobs on {len(stack)} frames; written: {options.out}")
    return 0


def _quantify(options):
    from mirnb.counting.quantification import in_words, plan_files, quantify
    from mirnb.report import quantification_page

    plan = plan_files(options.classifier, options.stacks, options.out, blobs=options.blobs, samples=options.samples)
    found = quantify(plan, scheduler=options.scheduler, seed=options.seed)
    print(*in_words(found.stacks), sep="\n")
    shown = found.abundance[["sample", "class", "counted", "molecules", "low", "high", "share", "remark"]]
    print(shown.round({"molecules": 0, "low": 0, "high": 0, "share": 3}).to_string(index=False))
    if found.remark:
        print(f"warning: {found.remark}")
    page = quantification_page(
        options.out, classifier=plan.classifier_folder, stacks=options.stacks, blobs=options.blobs, samples=options.samples,
        seed=options.seed,
    )  # fmt: skip
    print(f"page: {page}")
    return 1 if (found.stacks["verdict"] == "failed").any() else 0
