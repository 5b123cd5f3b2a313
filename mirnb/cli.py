"""The command line: what each command takes; what it does stands in `commands`."""

import argparse
import codecs
import contextlib
import signal
import sys
import threading
import warnings
from pathlib import Path

from mirnb import __version__, commands
from mirnb.files import InputError, InputWarning

_LETTERS = {"µ": "u", "μ": "u", "²": "2", "°": "deg", "β": "beta", "–": "-"}


def main(arguments=None):
    """Run a command; user errors are one message and exit code 1, never a stack trace."""
    _write_anything()
    options = _parser().parse_args(arguments)
    try:
        with _ends_as_by_ctrl_c(), _warnings_as_lines():
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


@contextlib.contextmanager
def _warnings_as_lines():
    """What is to be said of an input is one line on the error stream, once; other warnings are shown as Python does."""
    said, usual = set(), warnings.showwarning

    def show(message, category, *rest, **more):
        if not issubclass(category, InputWarning):
            usual(message, category, *rest, **more)
        elif str(message) not in said:
            said.add(str(message))
            print(f"warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _ends_as_by_ctrl_c():
    """What asks a program to end (a batch system, a closed terminal) is heard as Ctrl-C is: nothing is left behind."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    here = threading.current_thread() is threading.main_thread()
    changed = [number for number in numbers if here and signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _write_anything():
    """A terminal without µ or ², or a name that is no text, stops no command: the nearest letters, or a question mark."""
    codecs.register_error("mirnb", lambda error: (_in_ascii(error.object[error.start : error.end]), error.end))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="mirnb")


def _in_ascii(text):
    return "".join(_LETTERS.get(letter, "?") for letter in text)


def _parser():
    parser = argparse.ArgumentParser(
        prog="mirnb", description="Tell microRNAs apart, one molecule at a time, from dispersed microscope images."
    )
    parser.add_argument("--version", action="version", version=f"mirnb {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (help_text, add, run) in _COMMANDS.items():
        add(command := subparsers.add_parser(name, help=help_text))
        command.set_defaults(run=run)
    return parser


def _number(kind, fits, words):
    """A type of argument: a number that fits, or a sentence with what it must be."""

    def read(text):
        if not fits(number := kind(text)):
            raise argparse.ArgumentTypeError(f"must {words}, got {text}")
        return number

    read.__name__ = {int: "whole number", float: "number"}[kind]  # argparse says: invalid whole number value
    return read


_not_negative = _number(int, lambda number: number >= 0, "be 0 or more")
_positive = _number(int, lambda number: number >= 1, "be 1 or more")
_above_0 = _number(float, lambda number: 0 < number < 1e5, "be above 0")
_above_0_below_1 = _number(float, lambda number: 0 < number < 1, "lie between 0 and 1")
_share = _number(float, lambda number: 0 <= number < 1, "lie from 0 to below 1")


def _choice(text):
    """KEY=VALUE of what is taken of a file, the number of a plane or time as one."""
    key, _, value = text.partition("=")
    if not value.strip():
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, such as channel=DAPI, got {text}")
    return key.strip(), int(value) if key.strip() in ("plane", "time") and value.strip().isdecimal() else value.strip()


def _add_take(parser):
    parser.add_argument(
        "--take", metavar="KEY=VALUE", action="append", type=_choice, default=[],
        help="channel, plane, scene or time to take, by name or number, where a file has several; may be repeated",
    )  # fmt: skip


def _add_simulate(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder to write")
    parser.add_argument("--frames", type=_positive, help="number of frames (default 30; 20 a sample of a dilution series)")
    parser.add_argument("--seed", type=_not_negative, default=3, help="same seed, same files (default 3)")
    parser.add_argument("--panel", default="thesis", help="thesis, six, twelve or a panel file (default thesis)")
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument("--only", metavar="MIR", help="only this miR and noise: a single-type sample")
    alone.add_argument(
        "--dilution", action="store_true",
        help="a dilution series to be quantified: standards, blanks, an unknown, spike-ins, and their samples.csv",
    )  # fmt: skip


def _add_new(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder that gets the experiment.toml")
    parser.add_argument(
        "--stack", metavar="FILE", nargs="+", required=True,
        help="TIFF files, folders of them, or addresses; ND2, CZI, LIF, OME-Zarr or NDTiff",
    )  # fmt: skip
    _add_take(parser)
    parser.add_argument("--blobs", metavar="FILE", type=Path, help="blob table of ThunderSTORM, Picasso or rapidSTORM")
    parser.add_argument("--pixel-size", type=_above_0, metavar="NM", help="nm a pixel (default: as stack or table say)")
    parser.add_argument("--panel", default="thesis", help="thesis, six, twelve or a panel file (default thesis)")


def _add_check(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")


def _add_report(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    parser.add_argument("--out", type=Path, help="run folder (default reports/NAME)")
    parser.add_argument(
        "--only", metavar="NOTEBOOK", action="append", default=[], help="only this notebook; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="few frames and one epoch: does everything run?")
    parser.add_argument("--fresh", action="store_true", help="run notebooks that are unchanged since they were run, too")
    parser.add_argument("--pdf", action="store_true", help="print the page and its one sheet as PDF (needs Chromium)")
    parser.add_argument("--list-parameters", action="store_true", help="say what -p can set, and run nothing")
    parser.add_argument(
        "-p", dest="parameters", metavar=("KEY", "VALUE"), nargs=2, action="append", default=[],
        help="set a notebook parameter; may be repeated",
    )  # fmt: skip


def _add_lab(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder; the notebooks are copied into it")
    parser.add_argument("jupyter", nargs=argparse.REMAINDER, metavar="OPTIONS", help="of JupyterLab, such as --no-browser")


def _add_tune(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    parser.add_argument(
        "--setting", metavar="NAME[=VALUES]", action="append", default=[],
        help="such as filter1, or kernel=3,5,7; may be repeated (default: all sweeps of the thesis)",
    )  # fmt: skip
    parser.add_argument("--repeats", type=_positive, default=30, help="trainings of each value (default 30)")
    parser.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster; processes of this machine by default"
    )
    parser.add_argument("--seed", type=_not_negative, default=3, help="of the split and the weights (default 3)")
    parser.add_argument("--out", type=Path, help="run folder (default reports/NAME)")


def _add_design(parser):
    parser.add_argument("panels", metavar="PANEL", nargs="+", help="a named panel or a panel file")
    parser.add_argument(
        "--angle", type=float, action="append", default=[], metavar="DEG",
        help="prism angle to try beside the panel's own; may be repeated (default 175, 176, 177, 177.5 and 178)",
    )  # fmt: skip
    parser.add_argument(
        "--subset", type=_positive, default=0, metavar="K", help="in place of the panel, the best K pairs of its dyes"
    )
    parser.add_argument(
        "--least-f1", type=_share, default=0.8, metavar="F1", help="score for which the least light is told (default 0.8)"
    )
    parser.add_argument("--seed", type=_not_negative, default=3, help="same seed, same predictions (default 3)")
    parser.add_argument("--quick", action="store_true", help="few crops and one epoch: does everything run?")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for tables, figures, panels and page")


def _add_import_rois(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    parser.add_argument("rois", metavar="FILE", type=Path, nargs="+", help=".roi or .zip; name or group says the class")
    parser.add_argument(
        "--class",
        dest="unnamed",
        default="",
        metavar="CLASS",
        help="of ROIs whose name and group say none; CLASS,CLASS,... of counters 0, 1, ...",
    )
    parser.add_argument("--annotator", default="imagej", metavar="NAME", help="whose labels they are (default imagej)")


def _add_export_rois(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder")
    parser.add_argument("--calls", type=Path, metavar="FILE.csv", help="what mirnb classify wrote, in place of labels")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.zip", help="ROI set to write")


def _add_overlay(parser):
    parser.add_argument("stack", metavar="STACK", help="TIFF file, a folder of them, an address, or an experiment folder")
    parser.add_argument("table", metavar="TABLE", type=Path, help="what mirnb classify or mirnb quantify wrote")
    parser.add_argument("--frame", type=_positive, metavar="N", help="of a picture, from 1 (default: most molecules)")
    parser.add_argument("--pixel-size", type=_above_0, metavar="NM", help="nm a pixel of a file (default: as it says)")
    parser.add_argument("--panel", default="thesis", help="of a file: thesis, six, twelve or a panel file (default thesis)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE",
        help=".png, .svg, .pdf: a frame with its calls; .tif, .zip: for ImageJ; .csv: for napari; .hdf5: for Picasso",
    )  # fmt: skip


def _add_classify(parser):
    parser.add_argument("classifier", metavar="CLASSIFIER_DIR", type=Path, help="e.g. reports/demo/classifier")
    parser.add_argument("folder", metavar="DIR", type=Path, help="experiment folder, labelled or not")
    parser.add_argument("--kind", default="", metavar="KIND", help=_KindsHelp("kinds"))
    parser.add_argument(
        "--min-probability", type=_share, default=0.0, metavar="P", help="blobs less sure than this are called unsure"
    )
    parser.add_argument(
        "--max-crosstalk", type=_above_0_below_1, metavar="P",
        help="calls too unsure to promise that at most this share of any miR's molecules is called another are unsure",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="blob table to write")


def _add_detect(parser):
    parser.add_argument("stack", metavar="STACK", help="TIFF file, a folder of them, or an address (s3://, gs://, ...)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="blob table to write")
    parser.add_argument("--pixel-size", type=_above_0, metavar="NM", help="nm a pixel (default: as the file says, else 120)")
    _add_take(parser)


def _add_quantify(parser):
    parser.add_argument("classifier", metavar="CLASSIFIER_DIR", type=Path, help="e.g. reports/demo/classifier")
    parser.add_argument(
        "stacks", metavar="STACK", nargs="+", help="TIFF file, a folder of them, an address, or an experiment folder"
    )
    parser.add_argument(
        "--blobs", type=Path, nargs="+", default=[], metavar="CSV", help="blob tables in the order of the stacks"
    )
    parser.add_argument(
        "--samples", default="", metavar="samples.csv",
        help="columns stack, sample, role, replicate; for an assay concentration, unit and added_to",
    )  # fmt: skip
    parser.add_argument("--history", type=Path, metavar="FILE.csv", help="table of runs that this one is added to")
    parser.add_argument(
        "--keep-frames",
        action="store_true",
        help="count frames that are out of focus, dirty, moved, ..., too (see frames.csv)",
    )
    parser.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster; processes of this machine by default"
    )
    parser.add_argument("--seed", type=_not_negative, default=3, help="of the intervals (default 3)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for tables, figure and page")


def _add_notebooks(parser):
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder to copy into; nothing in it is written over")


class _KindsHelp(str):
    """Help that names the kinds of classifiers when it is shown: to look them up takes longer than any other help."""

    def __mod__(self, _):
        from mirnb.classifiers.kinds import KINDS

        return f"{', '.join(KINDS)}: another kind of the same report"


_COMMANDS = {  # what each is for, what it takes, what it does
    "simulate": ("write a simulated experiment, with its truth", _add_simulate, commands.run_simulate),
    "new": ("write the experiment.toml of your own stack", _add_new, commands.run_new),
    "check": ("say what an experiment folder holds, and every problem at once", _add_check, commands.run_check),
    "report": ("run the notebooks and write the report", _add_report, commands.run_report),
    "lab": ("open JupyterLab on copies of the notebooks, set to your experiment", _add_lab, commands.run_lab),
    "tune": ("vary the network's settings over many trainings; goes on where it was stopped", _add_tune, commands.run_tune),
    "design": (
        "plan a panel: which colour pairs could be told apart, before probes are ordered",
        _add_design,
        commands.run_design,
    ),
    "import-rois": ("labels from ImageJ's point ROIs, to the nearest blobs", _add_import_rois, commands.run_import_rois),
    "export-rois": (
        "labels or calls as ROIs, to open on the stack in ImageJ",
        _add_export_rois,
        commands.run_export_rois,
    ),
    "classify": ("classify the blobs of an experiment with a trained classifier", _add_classify, commands.run_classify),
    "overlay": ("calls on their stack: a picture, or for ImageJ, napari, Picasso", _add_overlay, commands.run_overlay),
    "detect": ("find the blobs of a stack, as ThunderSTORM does by default", _add_detect, commands.run_detect),
    "quantify": ("count the miRs of new stacks: abundances with intervals", _add_quantify, commands.run_quantify),
    "notebooks": (
        "copy the notebooks into a folder, to read, run and change them there",
        _add_notebooks,
        commands.run_notebooks,
    ),
}
