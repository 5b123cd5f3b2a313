"""What tests of drawings share: panels of few and many miRs, and figures closed behind each."""

import matplotlib.pyplot as plt
import pytest

from mirnb.experiments.panel_file import panel_from_dict


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(params=[1, 5, 12])
def panel(request):
    mirs = [{"name": f"m{k}", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 3.0 + k} for k in range(request.param)]
    return panel_from_dict({"name": "many", "bands_nm": [[507, 532], [673, 714]], "mir": mirs})
