"""What a click shows of a blob: its crop and response, its probabilities, fits and row of the table."""

import numpy as np

from mirnb import plots
from mirnb.experiments.blobs import ERASED, LABEL_COLUMNS, UNLABELLED
from mirnb.files import InputError
from mirnb.imaging.crops import fits
from mirnb.imaging.preprocessing import preprocess
from mirnb.imaging.responses import composite
from mirnb.labelling.frame_blobs import NOT_IN_TABLE, places
from mirnb.labelling.pictures import as_bytes, grey_bytes, local_response

_DECIMALS = {"y_px": 2, "x_px": 2, "sigma_px": 2, "flux": 0, "sds": 1}


def describe(explorer):
    """The chosen blob of an `Explorer` in numbers and words; None where none is chosen.

    Returns
    -------
    dict
        id (None where the table does not have it), frame (from 1), row and col (px), fit (dict of y_px, x_px, sigma_px,
        flux, sds; None where none fits), call, label (words, empty without), probabilities (dict of class -> share, None
        without), table (dict of column -> text).
    """
    if explorer.chosen is None:
        return None
    blob, table_row = explorer.blobs.iloc[explorer.chosen], int(explorer.blobs["table_row"].iloc[explorer.chosen])
    label, y_prob = int(explorer.labels[explorer.chosen]), explorer.y_prob
    words = [*explorer.panel.names, "", "erased"]  # UNLABELLED and ERASED count from the end
    assert (UNLABELLED, ERASED) == (-2, -1)
    y_prob = None if y_prob is None or np.isnan(y_prob[explorer.chosen, 0]) else y_prob[explorer.chosen]
    in_table = table_row != NOT_IN_TABLE
    table = explorer.experiment.table
    cells = table.drop(columns=[*LABEL_COLUMNS], errors="ignore").iloc[table_row].dropna() if in_table else {}
    return {
        "id": int(explorer.ids[table_row]) if in_table else None, "frame": explorer.index + 1,
        "row": int(blob["row"]), "col": int(blob["col"]),
        "fit": {key: None if np.isnan(blob[key]) else round(float(blob[key]), n) for key, n in _DECIMALS.items()},
        "call": explorer.groups[explorer.called[explorer.chosen]] if explorer.classifier else "", "label": words[label],
        "probabilities": None if y_prob is None else dict(zip(explorer.panel.names, y_prob.round(3).tolist(), strict=True)),
        "table": {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in cells.items()},
    }  # fmt: skip


def cut_chosen(explorer):
    """Raw crop (rows, cols) and response crop (rows, cols, n_mirs) of the chosen blob; None where they leave the frame."""
    blob, frame, window = explorer.blobs.iloc[explorer.chosen], explorer.frame, explorer.panel.crop_window
    row, col = int(blob["row"]), int(blob["col"])
    if not fits(frame.shape, np.array([row]), np.array([col]), window)[0]:
        return None
    raw = frame[row - window.above : row + window.below, col - window.left : col + window.right]
    cleaning = explorer.classifier.cleaning if explorer.classifier else {}
    clean = preprocess(frame, **cleaning).astype(np.float32)
    return raw, local_response(clean, row, col, explorer.templates, explorer.panel)


def chosen_pictures(explorer):
    """Pictures of the chosen blob: None, or a dict.

    Returns
    -------
    dict
        raw: uint8 ndarray (rows, cols); response: uint8 (rows, cols, 3); channels: a list of uint8 (rows, cols), one a
        template, on one grey range; fitted: list of (down, right) of the shown blobs in the crop, shares of its sides.
    """
    cut = None if explorer.chosen is None else cut_chosen(explorer)
    if cut is None:
        return None
    raw, response = cut
    top, window = max(float(response.max()), np.finfo(np.float32).tiny), explorer.panel.crop_window
    corner = explorer.blobs[["row", "col"]].to_numpy()[explorer.chosen] - [window.above, window.left]
    shares = (places(explorer.blobs)[explorer.shown] - corner) / window.shape
    return {
        "raw": grey_bytes(raw, float(np.percentile(raw, 5)), float(raw.max())),
        "response": as_bytes(composite(response, explorer.panel, top=top)),
        "channels": [grey_bytes(response[..., k], 0.0, top) for k in range(explorer.panel.n_mirs)],
        "fitted": shares[((shares > 0) & (shares < 1)).all(axis=1)].round(3).tolist(),
    }


def draw_chosen(explorer):
    """The chosen blob as a figure's axes: raw crop, colour picture, and each response channel."""
    cut = None if explorer.chosen is None else cut_chosen(explorer)
    if cut is None:
        raise InputError("no blob is chosen whose crop lies inside the frame; click one first")
    raw, response = cut
    name = describe(explorer)["call"] or describe(explorer)["label"] or "blob"
    um_per_px = explorer.experiment.pixel_size_nm / 1000
    return plots.draw_channels({name: (response, raw)}, explorer.panel, um_per_px=um_per_px)
