"""Which blobs of a frame are shown: how high they stand, how bright, wide and crowded they are."""

from dataclasses import dataclass

import numpy as np

from mirnb.imaging.neighbours import find_crowded
from mirnb.labelling.frame_blobs import NOT_IN_TABLE

ANY, ALONE, CROWDED = "any", "alone", "crowded"


@dataclass(frozen=True)
class Choice:
    """What is shown."""

    threshold_sds: float = 0.0  # least height in the filtered frame, standard deviations of its noise
    least_probability: float = 0.5  # of a class; with less a blob is unsure
    least_flux: float = 0.0  # counts under the fit
    widest_px: float = np.inf  # sigma of the fit
    crowding: str = ANY
    hidden: frozenset = frozenset()  # names of groups
    shows_others: bool = False  # what is found, but not in the table

    def passes(self, blobs, window):
        """Which blobs stand high enough and pass the filters, hidden or not: bool ndarray of shape (n_blobs,).

        Crowded are those with another one that stands high enough in their crop window. A blob without a fit passes only
        filters that let all pass.

        Parameters
        ----------
        blobs : DataFrame
            As `frame_blobs.blobs_of_frame` gives them.
        window : Window
            Of a crop.
        """
        flux, sigma_px = blobs["flux"].to_numpy(float), blobs["sigma_px"].to_numpy(float)
        high = blobs["sds"].to_numpy(float) >= self.threshold_sds
        high &= self.shows_others | (blobs["table_row"].to_numpy() != NOT_IN_TABLE)
        passing = high & ((self.least_flux <= 0) | (flux >= self.least_flux))
        passing &= np.isinf(self.widest_px) | (sigma_px <= self.widest_px)
        if self.crowding == ANY:
            return passing
        crowded, standing = np.zeros(len(blobs), bool), blobs[high]
        crowded[high] = find_crowded(np.zeros(len(standing)), standing["row"], standing["col"], window)
        return passing & (crowded == (self.crowding == CROWDED))
