"""Draw what the others computed. Every function takes numbers, accepts `ax` or returns a new figure, and saves nothing."""

import lazy_loader

_DRAWN = {
    "style": ["use_style"],
    "images": ["draw_frame", "draw_image", "draw_places", "draw_techniques"],
    "molecules": ["colour_rows", "draw_channels", "draw_molecules", "draw_peaks", "draw_template_pairs", "draw_templates"],
    "training": ["draw_class_counts", "draw_complexity", "draw_learning_curves", "draw_network", "draw_sweep"],
    "scores": ["draw_confusion", "draw_confusions", "draw_learning_curve", "draw_precision_recall", "draw_rejection",
               "draw_reliabilities", "draw_reliability", "draw_rivals", "draw_roc", "draw_score_intervals"],
    "abundance": ["draw_abundance", "draw_fold_changes", "draw_frame_measures"],
    "assay": ["draw_control_chart", "draw_shares", "draw_standard_curves"],
    "design": ["draw_predicted_confusions", "draw_profiles", "draw_separability", "draw_subsets"],
}  # fmt: skip
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, _DRAWN, submod_attrs=_DRAWN)
