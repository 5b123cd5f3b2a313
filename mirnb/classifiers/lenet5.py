"""LeNet-5 (thesis 2.2, Fig 3), from network to fitted predictor: ten runs, each kept as soon as it is done (thesis 3)."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.caches import cache_key, read_arrays, stored, write_arrays
from mirnb.classifiers.backend import glorot, load_keras, load_model, predict, save_model
from mirnb.classifiers.base import Rival
from mirnb.classifiers.calibration import cross_entropy
from mirnb.classifiers.hyperparameters import Hyperparameters
from mirnb.classifiers.scores import macro_f1_mir, mir_f1, score
from mirnb.classifiers.side_by_side import learn_side_by_side, predict_side_by_side, weights_of
from mirnb.classifiers.splits import Scaler, fit_scaler

AT_ONCE = 10  # runs trained together; so many are lost where one is interrupted


def build_lenet5(
    crop_shape, n_classes, *, filter1=12, filter2=16, filter3=20, kernel=(5, 5), pool=(2, 2), padding="valid", seed=0
):
    """LeNet-5 as in Fig 3 of the thesis: 10,952 weights for crops of (34, 10, 3) and 4 classes.

    Two convolutions with "same" padding, each followed by unpadded max pooling, then two dense layers. The weights start
    from Keras's defaults (Glorot uniform, biases 0), each layer with a seed of its own made from `seed`.

    Parameters
    ----------
    crop_shape : (rows, cols, channels)
    n_classes : int
        miR classes and noise.
    filter1, filter2, filter3 : int
        Width of the convolutions and of the first dense layer; filter3 is 20 in Fig 3, 30 elsewhere in the thesis.
    kernel, pool : (int, int)
    padding : "valid" or "same"
        Of the pooling; "same" makes 14,472 weights, as the thesis's code for its sweeps does.

    Returns
    -------
    keras.Sequential, not compiled; its output is a probability per class
    """
    keras = load_keras()

    def start(layer):
        return glorot(seed, layer)

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(tuple(crop_shape)),
            layers.Conv2D(filter1, tuple(kernel), padding="same", activation="relu", kernel_initializer=start(1)),
            layers.MaxPooling2D(tuple(pool), padding=padding),
            layers.Conv2D(filter2, tuple(kernel), padding="same", activation="relu", kernel_initializer=start(2)),
            layers.MaxPooling2D(tuple(pool), padding=padding),
            layers.Flatten(),
            layers.Dense(filter3, activation="relu", kernel_initializer=start(3)),
            layers.Dense(n_classes, activation="softmax", kernel_initializer=start(4)),
        ],
        name="lenet5",
    )


def layer_table(model):
    """One row a layer: layer (name to print), shape of its output without the batch, weights."""
    names = {"conv2d": "convolution", "max_pooling2d": "max pooling"}
    rows = [{"layer": "crop", "shape": tuple(model.input_shape[1:]), "weights": 0}]
    for layer in model.layers:
        name = layer.name.rstrip("_0123456789")
        rows.append(
            {"layer": names.get(name, name), "shape": tuple(layer.output.shape[1:]), "weights": layer.count_params()}
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class LeNet5:
    """The thesis's network on scaled crops of the response."""

    scaler: Scaler
    model: object  # keras.Model

    kind, reads, files = "lenet5", "responses", ("scaler.npz", "model.keras")

    @property
    def size(self):
        """Trained numbers."""
        return self.model.count_params()

    def predict(self, crops, *, scale=1.0):
        """Probabilities (n_crops, n_classes) of response crops (n_crops, rows, cols, n_mirs), whatever their scale."""
        return predict(self.model, self.scaler(crops))

    def write(self, folder):
        write_arrays(folder / "scaler.npz", vars(self.scaler))
        self.model.save(folder / "model.keras")

    @classmethod
    def read(cls, folder):
        return cls(Scaler(**read_arrays(folder / "scaler.npz")), load_model(folder / "model.keras"))


@dataclass(frozen=True)
class Training:
    """One finished training."""

    seed: int
    history: pd.DataFrame  # one row an epoch: loss, val_loss
    y_prob: np.ndarray  # (n_crops, n_classes) probabilities of all crops of the dataset
    model_path: Path
    seconds: float  # of training, when it was trained
    settings: dict  # epochs, learning_rate, batch_size, shuffle_seed


def train_runs(dataset, run, *, n_runs=10, seed=3, epochs=10, learning_rate=2e-3, batch_size=128) -> list[Training]:
    """Train several networks that differ in their initial weights alone; finished ones are read from the run folder.

    Each learns with Adam and categorical cross-entropy (thesis 2.2), a few side by side.

    Parameters
    ----------
    seed : int
        Run k starts from weights made from (seed, k).
    """
    hyper = Hyperparameters(epochs=epochs, learning_rate=learning_rate, batch_size=batch_size)
    rows = [dataset.split[name] for name in ("training", "validation")]
    folder = run.root / "cache" / f"lenet5-{cache_key(asdict(hyper), seed, dataset.crops, dataset.y_true, *rows)}"
    files = {100 * seed + k: (folder / f"run_{k:02d}.npz", folder / f"run_{k:02d}.keras") for k in range(n_runs)}
    found = {one: stored(values, beside=[model]) for one, (values, model) in files.items()}
    missing = [one for one, values in found.items() if values is None]
    for group in (missing[start : start + AT_ONCE] for start in range(0, len(missing), AT_ONCE)):
        for one, (model, values) in zip(group, _train(dataset, *rows, hyper, group, seed), strict=True):
            save_model(model, files[one][1])
            write_arrays(files[one][0], values)
            found[one] = values
    how = {"shuffle_seed": seed, "epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    return [
        Training(
            one, pd.DataFrame({name: values[name] for name in ("loss", "val_loss")}), values["y_prob"], files[one][1],
            float(values["seconds"]), how,
        )
        for one, values in found.items()
    ]  # fmt: skip


def _train(dataset, training, validation, hyper, seeds, shuffle_seed):
    """Networks of some seeds, trained side by side: (model, its arrays) of each."""
    start, y_true = time.perf_counter(), dataset.y_true
    scaler = fit_scaler(dataset.crops[training])
    crops, watched = scaler(dataset.crops), y_true[validation]
    history = []
    learning = learn_side_by_side(
        crops[training], y_true[training], dataset.n_classes, hyper, seeds, shuffle_seed=shuffle_seed
    )
    for together, losses in tqdm(learning, total=hyper.epochs, desc="epochs", unit="epoch", leave=False):
        y_prob = predict_side_by_side(together, crops[validation])
        val_losses = [cross_entropy(watched, one) for one in y_prob]
        history.append((losses, val_losses))
    losses, y_prob = np.array(history), predict_side_by_side(together, crops)  # (n_epochs, 2, n_networks)
    seconds = np.array((time.perf_counter() - start) / len(seeds))
    for number, values in enumerate(y_prob):
        model = build_lenet5(crops.shape[1:], dataset.n_classes)
        model.set_weights(weights_of(together, number))
        yield model, {"y_prob": values, "loss": losses[:, 0, number], "val_loss": losses[:, 1, number], "seconds": seconds}


def choose_run(runs, dataset):
    """The run to go on with, chosen on validation: highest macro F1 over the miRs, then lower loss (thesis 3).

    Parameters
    ----------
    runs : list of Training

    Returns
    -------
    best : int
        Index of the chosen run.
    table : DataFrame
        One row a run, counted from 1: seed, macro_f1_mir, loss, all of validation.
    """
    rows = dataset.split["validation"]
    f1 = [mir_f1(dataset.y_true[rows], one.y_prob[rows].argmax(axis=1), dataset.n_classes) for one in runs]
    losses = [one.history["val_loss"].iloc[-1] for one in runs]
    values = {"seed": [one.seed for one in runs], "macro_f1_mir": f1, "loss": losses}
    table = pd.DataFrame(values, index=_numbers(runs))
    order = table.fillna({"macro_f1_mir": -1}).sort_values(["macro_f1_mir", "loss"], ascending=[False, True], kind="stable")
    return int(order.index[0]) - 1, table


def _numbers(runs):
    return pd.RangeIndex(1, len(runs) + 1, name="run")


def loss_table(runs):
    """Mean losses over the runs that did not diverge: DataFrame by epoch, from 1: loss, val_loss, runs (how many)."""
    whole = [one.history for one in runs if np.isfinite(one.history.to_numpy()).all()]
    n_epochs = len(runs[0].history)
    means = sum(whole) / len(whole) if whole else pd.DataFrame(np.nan, range(n_epochs), ["loss", "val_loss"])
    return means.set_axis(pd.RangeIndex(1, n_epochs + 1, name="epoch")).assign(runs=len(whole))


def scores_of_runs(runs, dataset, mir_names, *, set_name="test"):
    """Recall and precision of each miR, and the mean F1, of each run on one set: DataFrame, one row a run, from 1."""
    rows = dataset.split[set_name]
    table = []
    for one in runs:
        scores = score(dataset.y_true[rows], one.y_prob[rows].argmax(axis=1), dataset.n_classes)
        named = {f"{key} {mir}": scores[key][k] for key in ("recall", "precision") for k, mir in enumerate(mir_names)}
        table.append({**named, "macro_f1_mir": float(macro_f1_mir(scores))})
    return pd.DataFrame(table, index=_numbers(runs))


def chosen_lenet5(runs, dataset):
    """The LeNet-5 that validation chooses among its runs, as a rival."""
    best, _ = choose_run(runs, dataset)
    one = runs[best]

    how = {name: one.settings[name] for name in ("epochs", "learning_rate", "batch_size")}

    def refit(rows, held, _):
        ((_, values),) = _train(dataset, rows, held, Hyperparameters(**how), [one.seed], one.settings["shuffle_seed"])
        return values["y_prob"][held]

    note, seconds = f"run {best + 1} of {len(runs)}", sum(each.seconds for each in runs)
    return Rival(
        "lenet5", LeNet5(dataset.scaler, load_model(one.model_path)), one.y_prob, seconds, refit,
        {"n_runs": len(runs), **how}, note,
    )  # fmt: skip


def train_lenet5(dataset, run, *, seed=3, **how):
    """The kind LeNet-5: `train_runs`, of which validation chooses one."""
    return chosen_lenet5(train_runs(dataset, run, seed=seed, **how), dataset)
