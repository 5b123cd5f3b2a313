"""Tell microRNAs apart, one molecule at a time, from spectrally dispersed microscope images.

    run = mirnb.open_run("data/demo")            # an experiment and its run folder; the demo is made when it is missing
    data = mirnb.prepare(run)                    # crops, split, templates (thesis 2.1)
    ours = mirnb.best_classifier(run)            # trained once, then read back
    ours.classify(run.experiment)                # a table: a class and probabilities for each blob
    mirnb.quantify(ours, ["new/a.tif"], out="counted").abundance
    mirnb.detect("new/a.tif")
    mirnb.check("data/mine")
    mirnb.simulate("data/next", panel="twelve")
    mirnb.label("data/practice", "me")
    mirnb.explore("data/demo")                   # frames and calls in a window, corrected and trained again

Relative paths start at the root of the repository, or at the working folder where mirnb is installed without it. Behind
these verbs stand nine wings, from arrays up: imaging, experiments, plots, simulation, classifiers, labelling, counting,
design, studies. Everything is imported when it is first used.
"""

import lazy_loader

__version__ = "0.9.0"

_WINGS = "imaging", "experiments", "plots", "simulation", "classifiers", "labelling", "counting", "design", "studies"
_VERBS = {
    "workspace": ["open_run"],
    "classifiers.dataset": ["prepare"],
    "classifiers.making": ["best_classifier"],
    "verbs": ["check", "detect", "explore", "label", "quantify", "simulate"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, _WINGS, _VERBS)
