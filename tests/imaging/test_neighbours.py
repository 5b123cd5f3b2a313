"""Lower blobs that belong to the molecule above them, placed by hand."""

import numpy as np

from mirnb.experiments.panel_file import THESIS
from mirnb.imaging.neighbours import find_partners

RED, GREEN, BLUE = (THESIS.index(name) for name in ("red", "green", "blue"))
NOISE = THESIS.noise


def _upper(*blobs):
    frames, y, x, called = (np.array(one) for one in zip(*blobs, strict=True))
    return find_partners(frames, y.astype(float), x.astype(float), called, THESIS).tolist()


def test_a_blob_at_the_gap_below_a_mir_is_its_partner():
    assert _upper((0, 100, 50, RED), (0, 111.5, 50.5, NOISE)) == [-1, 0]
    assert _upper((0, 111.5, 50.5, NOISE), (0, 100, 50, RED)) == [1, -1]


def test_called_a_mir_itself_it_is_still_a_partner():
    assert _upper((0, 100, 50, BLUE), (0, 106.5, 50, GREEN)) == [-1, 0]


def test_elsewhere_it_is_not():
    assert _upper((0, 100, 50, RED), (0, 106.5, 50, NOISE)) == [-1, -1]  # at another miR's gap
    assert _upper((0, 100, 50, RED), (0, 111.5, 52, NOISE)) == [-1, -1]  # sideways
    assert _upper((0, 100, 50, RED), (0, 88.5, 50, NOISE)) == [-1, -1]  # above
    assert _upper((0, 100, 50, RED), (1, 111.5, 50, NOISE)) == [-1, -1]  # on another frame


def test_below_noise_nothing_is_a_partner():
    assert _upper((0, 100, 50, NOISE), (0, 111.5, 50, NOISE)) == [-1, -1]
    assert _upper((0, 100, 50, -1), (0, 111.5, 50, NOISE)) == [-1, -1]


def test_a_partner_has_no_partner():
    chain = (0, 100, 50, GREEN), (0, 104.75, 50, GREEN), (0, 109.5, 50, GREEN)
    assert _upper(*chain) == [-1, 0, -1]


def test_no_blobs():
    nothing = np.zeros(0)
    assert find_partners(nothing.astype(int), nothing, nothing, nothing.astype(int), THESIS).tolist() == []
