"""The labelling tool as a widget for notebooks: `Labeller` with pictures, buttons and keys, by anywidget."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from mirnb.classifiers.classifier import load_classifier
from mirnb.experiments.blobs import ERASED
from mirnb.files import InputError
from mirnb.labelling.labeller import BACK_KEY, DOUBT_KEY, ERASE_KEY, FORTH_KEY, UNDO_KEY, Labeller
from mirnb.labelling.pictures import as_png

_PAGE = Path(__file__).parent
_SYMBOLS = dict(zip("os^DvPX<>*ph.", "●■▲◆▼✚✖◀▶★⬟⬢○", strict=True))  # a panel's markers, as text


def page_of(tool):
    """Script and style of a tool's page: what the tools share, then its own."""
    files = {kind: [_PAGE / f"{name}.{kind}" for name in ("tool", tool)] for kind in ("js", "css")}
    return ["\n".join(one.read_text(encoding="utf-8") for one in both if one.exists()) for both in files.values()]


class LabellingTool(anywidget.AnyWidget):
    """The labelling tool; display it as the last line of a cell.

    Parameters
    ----------
    labeller : Labeller
    """

    _esm, _css = page_of("labelling")
    setup = traitlets.Dict().tag(sync=True)  # what stays: classes, other keys, filters, orders
    view = traitlets.Dict().tag(sync=True)  # what changes with every blob

    def __init__(self, labeller):
        self._labeller, self._contrast, self._number = labeller, 1.0, 0
        super().__init__(setup=self._describe(), view=self._look())
        self.on_msg(self._answer)

    def _describe(self):
        labeller, panel = self._labeller, self._labeller.panel
        pictures = [as_png(_stretched(template)) for template in labeller.templates] + [""]
        classes = [
            {"key": key, "name": name, "colour": colour, "symbol": _SYMBOLS.get(marker, "●"), "template": picture}
            for key, name, colour, marker, picture in zip(
                labeller.keys, panel.names, panel.colours, panel.markers, pictures, strict=True
            )
        ]
        others = [
            {"key": ERASE_KEY, "name": "erase"}, {"key": DOUBT_KEY, "name": "not sure"}, {"key": UNDO_KEY, "name": "undo"},
            {"key": BACK_KEY, "name": "back"}, {"key": FORTH_KEY, "name": "forth"},
        ]  # fmt: skip
        return {
            "classes": classes, "others": others, "filters": labeller.filters, "orders": labeller.orders,
            "annotator": labeller.own.annotator, "templates": labeller.about_templates,
            "has_classifier": labeller.y_prob is not None,
        }  # fmt: skip

    def _look(self):
        """All that the page shows of the blob."""
        labeller, self._number = self._labeller, self._number + 1
        view = {
            "number": self._number, "position": labeller.position + 1, "total": len(labeller.sequence),
            "counts": labeller.counts(), "message": labeller.message, "filter": labeller.filter, "order": labeller.order,
            "contrast": self._contrast, "show_suggestion": labeller.show_suggestion, "blob": None,
        }  # fmt: skip
        if labeller.current is None:
            return view
        row = labeller.blobs["table_row"].iloc[labeller.current]
        label, doubt = int(labeller.labels[labeller.current]), bool(labeller.own.doubts[row])
        word = "not sure" if doubt else "erased" if label == ERASED else labeller.panel.names[label] if label >= 0 else ""
        view |= {
            "blob": int(labeller.ids[labeller.current]), "frame": int(labeller.blobs["frame"].iloc[labeller.current]) + 1,
            "label": word, "suggestion": labeller.suggestion() if labeller.show_suggestion else None,
        }  # fmt: skip
        try:
            pictures = labeller.pictures(contrast=self._contrast)
        except InputError as error:
            return view | {"message": str(error), "pictures": None}
        shown = {name: as_png(pictures[name]) for name in ("raw", "response", "context")}
        channels = [as_png(one) for one in pictures["channels"]]
        return view | {"pictures": {**shown, "channels": channels, "box": pictures["box"], "mark": pictures["mark"]}}

    def _answer(self, _, content, __):
        """Do what the page asks for, then show what came of it; what goes wrong is said there."""
        labeller = self._labeller
        try:
            if "key" in content:
                labeller.press(str(content["key"]))
            elif "filter" in content or "order" in content:
                labeller.choose(filter=content.get("filter"), order=content.get("order"))
            elif "jump" in content:
                labeller.jump(int(content["jump"]))
            elif "contrast" in content:
                self._contrast = float(np.clip(float(content["contrast"]), 0.25, 16))
            elif "show_suggestion" in content:
                labeller.show_suggestion = bool(content["show_suggestion"])
        except (InputError, OSError) as error:
            labeller.message = f"Not saved: {error}"
        self.view = self._look()


def open_tool(experiment, annotator, *, classifier="") -> LabellingTool:
    """The labelling tool for an experiment.

    Parameters
    ----------
    classifier : path
        Folder of a classifier, for suggestions; none when empty.
    """
    loaded = load_classifier(classifier) if classifier else None
    return LabellingTool(Labeller(experiment, annotator, classifier=loaded))


def _stretched(template):
    top = float(template.max()) or 1.0
    return (255 * np.clip(template / top, 0, 1)).astype(np.uint8)
