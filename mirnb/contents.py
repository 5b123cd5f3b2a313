"""What a report holds: its notebooks with their usual minutes, and its figures with what each shows."""

from dataclasses import dataclass

MINUTES = {  # each usually takes, the first time, on two cores
    "01_templates": 0.1, "02_correlation_comparison": 0.1, "03_training": 0.4, "04_evaluation": 0.1, "05_roc_pr": 0.1,
    "06_tuning": 1.7, "07_optimizers": 0.4, "08_classifiers": 2.5, "09_quantification": 0.5, "10_panel_design": 0.3,
    "11_assay": 1.0,
}  # fmt: skip
NOTEBOOKS = tuple(MINUTES)
ASSAY = "11_assay"  # makes sense where there are standards


@dataclass(frozen=True)
class Figure:
    """A figure that a notebook saves."""

    name: str  # of its files
    notebook: str
    thesis: str  # its figure there; "–" where there is none
    title: str  # what it shows, also where it cannot be seen


FIGURES = (
    Figure("raw_crops", "01_templates", "–", "Molecules of each class as the camera saw them"),
    Figure("fig02_templates", "01_templates", "2", "Median template of each miR and its response to all templates"),
    Figure("template_pairs", "01_templates", "2 (cell 6)", "Templates with each other"),
    Figure("fig01_techniques", "02_correlation_comparison", "1", "Cosine similarity, cross-correlation, original"),
    Figure("fig10_crops", "02_correlation_comparison", "10", "Response crops of each class"),
    Figure(
        "channels",
        "02_correlation_comparison",
        "10",
        "The brightest molecule of each miR, raw, in colour and channel by channel",
    ),
    Figure("peaks", "02_correlation_comparison", "2 (text)", "Peaks of each template on each miR"),
    Figure("class_counts", "03_training", "class counts (cell 17)", "Crops of each class in each set"),
    Figure("fig03_network", "03_training", "3", "The network"),
    Figure("learning_curves", "03_training", "losses (cell 14)", "Learning curves beside the printed losses"),
    Figure("fig07_confusion", "03_training", "7", "Confusion on training, validation and both"),
    Figure("fig08_confusion_test", "04_evaluation", "8", "Confusion of LeNet-5 on test"),
    Figure("scores_test", "04_evaluation", "8 (text)", "Recall and precision of LeNet-5 on test, with intervals"),
    Figure("reliability", "04_evaluation", "–", "Are the probabilities of LeNet-5 right?"),
    Figure("mistakes", "04_evaluation", "–", "Mistakes of LeNet-5 looked at"),
    Figure("frame_calls", "04_evaluation", "–", "A frame with the calls of LeNet-5"),
    Figure("fig09_roc", "05_roc_pr", "9", "ROC curves of LeNet-5 on test"),
    Figure("precision_recall", "05_roc_pr", "9 (cell 16)", "Precision-recall curves of LeNet-5, with true chance lines"),
    Figure("fig04_complexity", "06_tuning", "4", "F1 against the number of weights, the optimum marked"),
    Figure("fig05_filter1", "06_tuning", "5", "Precision and recall against the filters of the first convolution"),
    Figure("fig05_filter1_filter3_30", "06_tuning", "5 (filter3 = 30)", "The same with 30 units in the dense layer"),
    Figure("fig11_filter2", "06_tuning", "11", "Precision and recall against the filters of the second convolution"),
    Figure("fig12_filter3", "06_tuning", "12", "Precision and recall against the units of the first dense layer"),
    Figure("fig13_kernel", "06_tuning", "13", "Precision and recall against the size of the kernels"),
    Figure("pooling", "06_tuning", "2.3.1 (text)", "Precision and recall against the pooling"),
    Figure("fig06_sgd", "07_optimizers", "6, 14", "Precision and recall against the learning rate of SGD"),
    Figure("adam", "07_optimizers", "2.3.2 (text)", "Precision and recall against the learning rate of Adam"),
    Figure("rivals", "08_classifiers", "–", "Classifiers compared on the same test crops"),
    Figure("confusion_twin_cnn", "08_classifiers", "–", "Confusion of the twin-trained CNN on test"),
    Figure("precision_recall_twin_cnn", "08_classifiers", "–", "Precision-recall curves of the twin-trained CNN"),
    Figure("learning_curve", "08_classifiers", "–", "F1 against the number of labels, with and without pre-training"),
    Figure("reliability_rivals", "08_classifiers", "–", "Are the probabilities of each classifier right?"),
    Figure("crosstalk", "08_classifiers", "–", "Crosstalk between miRs against the share of calls rejected"),
    Figure("mistakes_twin_cnn", "08_classifiers", "–", "Mistakes of the twin-trained CNN looked at"),
    Figure("frame_calls_twin_cnn", "08_classifiers", "–", "A frame with the calls of the twin-trained CNN"),
    Figure("confusion_folds", "09_quantification", "–", "Confusion out of fold, which counts are corrected with"),
    Figure("frame_measures", "09_quantification", "–", "What each frame of a stack is like, and which are left out"),
    Figure("frame_counted", "09_quantification", "–", "A frame of the first stack with its calls"),
    Figure("molecules_counted", "09_quantification", "–", "Blobs of each called class, the brightest and the least sure"),
    Figure("abundance", "09_quantification", "–", "miRs counted in new samples, with intervals"),
    Figure("shares", "09_quantification", "–", "Shares of the miRs of each sample, with their joint regions"),
    Figure("fold_changes", "09_quantification", "–", "How many times more of each miR one sample has than another"),
    Figure("design_profiles", "10_panel_design", "–", "Light of each pair, and separations as they would be measured"),
    Figure("design_confusion", "10_panel_design", "–", "Predicted confusion"),
    Figure("design_separability", "10_panel_design", "–", "Predicted F1 against the prism angle and the light"),
    Figure("design_subsets", "10_panel_design", "–", "How far the best pairs lie apart, by their number"),
    Figure("standard_curves", "11_assay", "–", "The standard curve of each miR, its linear range and limits"),
    Figure("shares_assay", "11_assay", "–", "Shares of the miRs of the unknowns, with their joint regions"),
)
