"""Train the network: ten runs that differ in their initial weights alone, each kept as soon as it is done (thesis 3)."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb import __version__
from mirnb.files import fingerprint, whole_file
from mirnb.models import lenet5, predict
from mirnb.quiet import load_keras


@dataclass(frozen=True)
class Training:
    """One finished training."""

    seed: int
    history: pd.DataFrame  # one row an epoch: loss, val_loss
    y_prob: np.ndarray  # (n_crops, n_classes) probabilities of all crops of the dataset
    model_path: Path
    seconds: float  # of training, when it was trained
    settings: dict  # epochs, learning_rate, batch_size, shuffle_seed


def train(
    scaled_crops, y_true, validation, n_classes, *, seed, shuffle_seed=3, epochs=10, learning_rate=2e-3, batch_size=128
):
    """Train one LeNet-5 with Adam and categorical cross-entropy (thesis 2.2).

    Parameters
    ----------
    scaled_crops : float32 ndarray of shape (n, rows, cols, channels)
    y_true : int ndarray of shape (n,)
    validation : (scaled_crops, y_true)
        Watched, not learned from.
    n_classes : int
    seed : int
        Initial weights.
    shuffle_seed : int
        Order of the crops in the batches, the same for all runs.

    Returns
    -------
    model : keras.Model
    history : DataFrame with loss and val_loss, one row an epoch
        loss is Keras's: the mean over the batches of the epoch, while weights change.
    """
    keras = load_keras()
    model = lenet5(scaled_crops.shape[1:], n_classes, seed=seed)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy")
    keras.utils.set_random_seed(shuffle_seed)
    fitted = model.fit(
        scaled_crops, y_true, batch_size=batch_size, epochs=epochs, validation_data=validation, verbose=0
    )  # fmt: skip
    return model, pd.DataFrame(fitted.history)


def train_runs(dataset, run, *, n_runs=10, seed=3, epochs=10, learning_rate=2e-3, batch_size=128):
    """Train several networks that differ in their initial weights alone; finished ones are read from the run folder.

    Parameters
    ----------
    dataset : Dataset
    run : RunFolder
    n_runs : int
    seed : int
        Run k starts from weights made from (seed, k).

    Returns
    -------
    list of Training
    """
    settings = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed, "model": "lenet5"}
    rows = [dataset.split[name] for name in ("training", "validation")]
    key = fingerprint(settings, dataset.crops, dataset.y_true, *rows, __version__)
    folder = run.root / "cache" / f"lenet5-{key}"
    how = {"shuffle_seed": seed, "epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    runs = []
    bar = tqdm(range(n_runs), desc="trainings", unit="run", leave=False)
    for k in bar:
        model_path, values_path = folder / f"run_{k:02d}.keras", folder / f"run_{k:02d}.npz"
        if not (model_path.exists() and values_path.exists()):
            start = time.perf_counter()
            crops, y_true = dataset.scaled("training"), dataset.y_true[rows[0]]
            validation = (dataset.scaled("validation"), dataset.y_true[rows[1]])
            model, history = train(crops, y_true, validation, dataset.n_classes, seed=100 * seed + k, **how)
            y_prob = predict(model, dataset.scaler(dataset.crops))
            with whole_file(model_path) as temporary:
                model.save(temporary)
            with whole_file(values_path) as temporary, temporary.open("wb") as file:
                np.savez(
                    file, y_prob=y_prob, loss=history["loss"], val_loss=history["val_loss"],
                    seconds=time.perf_counter() - start,
                )  # fmt: skip
        with np.load(values_path, allow_pickle=False) as stored:
            history = pd.DataFrame({"loss": stored["loss"], "val_loss": stored["val_loss"]})
            seconds = float(stored["seconds"])
            runs.append(Training(100 * seed + k, history, stored["y_prob"], model_path, seconds, how))
    return runs
