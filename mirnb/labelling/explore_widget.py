"""The exploring window as a widget for notebooks: `Explorer` with a canvas, sliders and keys, by anywidget."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from mirnb.classifiers.kinds import KINDS
from mirnb.files import InputError
from mirnb.labelling.choice import ALONE, ANY, CROWDED
from mirnb.labelling.chosen_blob import chosen_pictures, describe
from mirnb.labelling.explorer import OTHER_MARKERS, SAME_KEY, UNSURE_KEY, Explorer
from mirnb.labelling.frame_blobs import LEAST_SDS, NOT_IN_TABLE, places
from mirnb.labelling.labeller import BACK_KEY, DOUBT_KEY, ERASE_KEY, FORTH_KEY, UNDO_KEY
from mirnb.labelling.pictures import as_png, frame_bytes
from mirnb.labelling.widget import page_of

_NUMBERS = ("threshold_sds", "least_probability", "least_flux")
_FAINT = "#dddddd"  # noise, and what is no class


class ExploringTool(anywidget.AnyWidget):
    """The exploring window; display it as the last line of a cell.

    Parameters
    ----------
    explorer : Explorer
    """

    _esm, _css = page_of("explore")
    setup = traitlets.Dict().tag(sync=True)  # what stays: keys, classes, sizes
    view = traitlets.Dict().tag(sync=True)  # what changes with every question: marks, counts, the chosen blob
    picture = traitlets.Bytes().tag(sync=True)  # the frame, a byte a pixel

    def __init__(self, explorer):
        self.explorer, self._number, self._sent, self._greys = explorer, 0, None, (0.0, 1.0, 1.0)
        super().__init__(setup=self._describe())
        self._show()
        self.on_msg(self._answer)

    def _describe(self):
        explorer, panel = self.explorer, self.explorer.panel
        rows, cols = explorer.experiment.stack.frame_shape
        keys = [
            *({"key": key, "name": name} for key, name in zip(explorer.keys, panel.names, strict=True)),
            {"key": ERASE_KEY, "name": "erase"}, {"key": DOUBT_KEY, "name": "not sure"}, {"key": UNDO_KEY, "name": "undo"},
        ]  # fmt: skip
        ways = [{"key": SAME_KEY, "name": "next of its class"}, {"key": UNSURE_KEY, "name": "next unsure"}]
        moves = [{"key": BACK_KEY, "name": "frame before"}, {"key": FORTH_KEY, "name": "next frame"}]
        return {
            "rows": rows, "cols": cols, "n_frames": len(explorer.experiment.stack),
            "keys": keys, "ways": ways, "moves": moves,
            "um_per_px": explorer.experiment.pixel_size_nm / 1000, "crowding": [ANY, ALONE, CROWDED],
            "has_table": explorer.experiment.table is not None, "least_sds": LEAST_SDS, "annotator": explorer.annotator,
        }  # fmt: skip

    def _groups(self):
        """What blobs are called, each with its colour and marker; what is no miR is drawn small and faint."""
        panel, names = self.explorer.panel, self.explorer.groups
        markers = [*panel.markers[:-1], "x", *(OTHER_MARKERS[name] for name in names[len(panel.names) :])]
        colours = [*panel.colours[:-1], *[_FAINT] * (len(names) - panel.n_mirs)]
        each = zip(names, colours, markers, strict=True)
        return [
            {"name": name, "colour": colour, "marker": marker, "is_mir": k < panel.n_mirs}
            for k, (name, colour, marker) in enumerate(each)
        ]

    def _show(self, *, is_answer=True):
        """Send all that the page shows; the frame only when it is another. Calls that are not there are not waited for."""
        explorer, self._number = self.explorer, self._number + 1
        is_calling, choice = explorer.is_calling, explorer.choice
        shown = explorer.passing if is_calling else explorer.shown
        found = int(np.sum(explorer.blobs["table_row"] == NOT_IN_TABLE))
        view = {
            "number": self._number, "is_answer": is_answer, "frame": explorer.index, "message": explorer.message,
            "groups": self._groups(), "counts": {} if is_calling else explorer.counts(), "is_calling": is_calling,
            "n_shown": int(shown.sum()), "n_blobs": len(shown) - found, "n_found": found,
            "marks": self._marks(shown, is_calling), "chosen": None if is_calling else self._chosen(),
            "is_training": explorer.training is not None, "has_classifier": explorer.has_classifier,
            "hidden": sorted(choice.hidden), "crowding": choice.crowding, "shows_others": choice.shows_others,
            "widest_px": None if np.isinf(choice.widest_px) else choice.widest_px,
            **{name: getattr(choice, name) for name in _NUMBERS},
        }  # fmt: skip
        with self.hold_sync():  # one message
            if self._sent != explorer.index:
                grey, *self._greys = frame_bytes(explorer.frame)
                self.picture, self._sent = grey.tobytes(), explorer.index
            self.view = {**view, "greys": list(self._greys)}
        if not is_calling:
            explorer.look_ahead()

    def _marks(self, shown, is_calling):
        """Blobs that are shown: y, x (px), group, and the label where a blob is called another class (else -1)."""
        explorer, not_called = self.explorer, np.full(len(shown), len(self.explorer.groups) - 1)
        labels, called = explorer.labels[shown], (not_called if is_calling else explorer.called)[shown]
        has_class = (called < len(explorer.panel.names)) & explorer.has_classifier
        differing = np.where(has_class & (labels >= 0) & (labels != called), labels, -1)
        y, x = places(explorer.blobs)[shown].round(1).T.tolist()
        return {"y": y, "x": x, "group": called.tolist(), "label": differing.tolist()}

    def _chosen(self):
        """The chosen blob in words and pictures; None where there is none."""
        explorer, blob = self.explorer, describe(self.explorer)
        if blob is None:
            return None
        y, x = places(explorer.blobs)[explorer.chosen].round(2).tolist()
        pictures = chosen_pictures(explorer)
        if pictures is not None:
            channels = [as_png(one) for one in pictures["channels"]]
            pictures |= {"raw": as_png(pictures["raw"]), "response": as_png(pictures["response"]), "channels": channels}
        return {**blob, "y": y, "x": x, "pictures": pictures}

    def _answer(self, _, content, __):
        """Do what the page asks for, then show what came of it; what goes wrong is said there."""
        explorer, asks_for_calls = self.explorer, "calls" in content
        if asks_for_calls and explorer.is_calling:
            explorer.look_ahead()  # now that the frame is drawn
            return  # it asks again
        try:
            self._do(content)
        except (InputError, OSError) as error:
            explorer.message = f"Not done: {error}"
        except TypeError:
            explorer.message = "Not done: this page is of another version; run this cell again."
        try:
            self._show(is_answer=not asks_for_calls)
        except (InputError, OSError) as error:  # the stack was moved
            said = {"message": f"Not shown: {error}", "number": self._number, "is_answer": not asks_for_calls}
            self.view = {**self.view, **said, "is_calling": False}

    def _do(self, content):
        explorer = self.explorer
        match content:
            case {"key": key}:
                explorer.press(str(key))
            case {"frame": index}:
                explorer.message = ""
                explorer.go_to(int(index))
            case {"click": [y_px, x_px]}:
                explorer.click(float(y_px), float(x_px))
            case {"next": group} if group in explorer.groups:
                explorer.message = ""
                explorer.go_to_next(group)
            case {"choose": settings}:
                explorer.message = ""
                explorer.choose(**self._settings(settings))
            case {"save": how}:
                self._save(how)
            case {"calls": _}:
                explorer.look_after_calls()
            case {"train": "begin"}:
                explorer.train_again()
                explorer.look_after()
            case {"train": _}:
                explorer.look_after()

    @staticmethod
    def _settings(given):
        """Fields of `Choice` from what the page sends."""
        known = {name: float(given[name]) for name in _NUMBERS if name in given}
        if "widest_px" in given:
            known["widest_px"] = np.inf if given["widest_px"] is None else float(given["widest_px"])
        if "hidden" in given:
            known["hidden"] = frozenset(map(str, given["hidden"]))
        if given.get("crowding") in (ANY, ALONE, CROWDED):
            known["crowding"] = given["crowding"]
        return known | ({"shows_others": bool(given["shows_others"])} if "shows_others" in given else {})

    def _save(self, how):
        """Save what the page shows in the run folder."""
        explorer, suffix = self.explorer, str(how["suffix"])
        folder, frame = explorer.run.root / "figures" / "explore", f"frame_{explorer.index + 1:04d}"
        if how["what"] == "blob":
            blob = describe(explorer)
            path = folder / (f"{frame}_blob_{blob['row']}_{blob['col']}{suffix}" if blob else f"{frame}_blob{suffix}")
            explorer.save_chosen(path)
        else:
            corner, side_px = [max(int(one), 0) for one in how["corner"]], int(how["side_px"])
            path = folder / f"{frame}_{corner[0]}_{corner[1]}_{side_px}{suffix}"
            explorer.save(path, corner=corner, side_px=side_px, grey=[float(one) for one in how["grey"]])
        explorer.message = f"Saved in the run folder: {path.relative_to(explorer.run.root).as_posix()}"


def open_explorer(run, *, classifier="", annotator="me", quick=False) -> ExploringTool:
    """The exploring window for a run folder's experiment.

    Parameters
    ----------
    classifier : path
        Folder of a classifier; when empty, the best in the run folder's classifiers/, or none.
    """
    folders = [Path(classifier)] if classifier else [run.root / "classifiers" / kind for kind in KINDS]
    there = [one for one in folders if classifier or (one / "classifier.json").is_file()]
    return ExploringTool(Explorer(run, classifier=there[0] if there else None, annotator=annotator, quick=quick))
