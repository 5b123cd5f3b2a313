"""Train the best classifier: on a simulated twin, on single-type samples where there are some, then on the labelled crops.

Three networks (`models.best`) that differ in their weights and their twin crops are averaged. The epoch of fine-tuning with
the lowest validation loss stays, the one before the first included; the temperature follows from validation too. Finished
networks are kept in the run folder.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb import __version__
from mirnb.augment import plain_view, shaken_view
from mirnb.calibration import apply_temperature, fit_temperature
from mirnb.dataset import MARGIN_PX
from mirnb.files import InputError, fingerprint, whole_file
from mirnb.models import best, best_input, predict
from mirnb.preprocess import crop_medians
from mirnb.quiet import load_keras
from mirnb.twin import estimate_twin


@dataclass(frozen=True)
class Recipe:
    """How `best` is trained. Without a twin the labelled crops are all there is, and are gone through more often."""

    n_networks: int = 3
    twin_crops: int = 60_000  # drawn anew in every epoch
    twin_epochs: int = 8  # 0: no twin
    twin_rate: float = 3e-3  # of Adam, falling to 0 along a cosine; so are the others
    single_epochs: int = 3  # over the crops of single-type samples; 0: none
    single_rate: float = 2e-4
    tune_epochs: int = 4
    tune_rate: float = 2e-4
    plain_epochs: int = 60  # when nothing was learned before
    plain_rate: float = 2e-3


_PLAIN_CROPS = 2400  # crops an epoch when there is no twin
_HISTORY = ("epoch", "loss", "val_loss")
QUICK = Recipe(n_networks=1, twin_crops=500, twin_epochs=1, single_epochs=1, tune_epochs=1, plain_epochs=1)


@dataclass(frozen=True)
class BestTraining:
    """A finished training of all networks."""

    model_paths: list  # of each network
    history: pd.DataFrame  # network, stage, epoch, loss, val_loss
    y_prob: np.ndarray  # (n_crops, n_classes) mean of the networks, at the temperature
    temperature: float
    noise_sd: float
    seconds: float  # of training, when it was trained
    twin: dict = field(default_factory=dict)  # what the twin found


def train_best(dataset, run, *, recipe=None, singles=(), seed=3):
    """Train the best classifier, or read it back.

    Parameters
    ----------
    dataset : Dataset
        Its training crops are learned from; validation chooses the epoch and the temperature.
    run : RunFolder
    recipe : Recipe, optional
    singles : sequence of (wide_crops, y_true, noise_sd)
        Labelled crops of single-type samples, as `dataset.single_type_crops` gives them.
    seed : int

    Returns
    -------
    BestTraining
    """
    recipe = recipe or Recipe()
    if not dataset.noise_sd > 0:
        raise InputError(f"{run.experiment.folder}: the background of the stack has no noise at all; is it the raw stack?")
    rows = [dataset.split[name] for name in ("training", "validation")]
    seen = [dataset.wide_crops, dataset.background, dataset.y_true, *rows, *(part for one in singles for part in one)]
    key = fingerprint(asdict(recipe), seed, dataset.panel.to_dict(), dataset.noise_sd, *seen, __version__)
    folder = run.root / "cache" / f"best-{key}"
    twin, found, paths, histories, y_prob, seconds = None, {}, [], [], [], 0.0
    for k in tqdm(range(recipe.n_networks), desc="networks of best", unit="network", leave=False):
        model_path, values_path = folder / f"network_{k}.keras", folder / f"network_{k}.npz"
        if not (model_path.exists() and values_path.exists()):
            start = time.perf_counter()
            if twin is None and recipe.twin_epochs:
                twin = twin_of(dataset)
            model, history = _train_network(dataset, recipe, twin, singles, (100 * seed + k) % 1_000_000)
            with whole_file(model_path) as temporary:
                model.save(temporary)
            with whole_file(values_path) as temporary, temporary.open("wb") as file:
                crops = best_input(plain_view(dataset.wide_crops, MARGIN_PX, dataset.noise_sd))
                np.savez(
                    file, y_prob=predict(model, crops), hidden_share=np.zeros(0) if twin is None else twin.hidden_share,
                    seconds=time.perf_counter() - start, **{name: history[name].to_numpy() for name in _HISTORY},
                    stage=history["stage"].to_numpy(dtype=str),
                )  # fmt: skip
        with np.load(values_path, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in ("stage", *_HISTORY)}
            histories.append(pd.DataFrame(columns).assign(network=k + 1))
            y_prob.append(stored["y_prob"])
            seconds += float(stored["seconds"])
            if len(stored["hidden_share"]):
                found = {"hidden_share": dict(zip(dataset.panel.mir_names, stored["hidden_share"].tolist(), strict=True))}
        paths.append(model_path)
    mean, validation = np.mean(y_prob, axis=0), dataset.split["validation"]
    temperature = fit_temperature(dataset.y_true[validation], mean[validation])
    history = pd.concat(histories, ignore_index=True)
    return BestTraining(paths, history, apply_temperature(mean, temperature), temperature, dataset.noise_sd, seconds, found)


def twin_of(dataset):
    """The twin of a dataset, from its training crops and the background of its frames."""
    training = dataset.split["training"]
    crops = plain_view(dataset.wide_crops[training], MARGIN_PX, dataset.noise_sd)
    ground = dataset.background.astype(np.float32) / dataset.noise_sd
    crops, ground = crops - crop_medians(crops), ground - crop_medians(ground)
    if not len(ground):  # blobs everywhere: noise without neighbours
        ground = np.random.default_rng(0).standard_normal((500, *dataset.panel.template_window.shape), np.float32)
    return estimate_twin(crops, dataset.y_true[training], dataset.panel, ground)


def load_networks(paths):
    """The networks of a finished training as one Keras model that averages their probabilities."""
    keras = load_keras()
    networks = [keras.saving.load_model(Path(path), safe_mode=True, compile=False) for path in paths]
    if len(networks) == 1:
        return networks[0]
    crops = keras.Input(networks[0].input_shape[1:])
    for k, network in enumerate(networks):
        network.name = f"network_{k}"
    return keras.Model(crops, keras.layers.Average()([network(crops) for network in networks]), name="best")


def _train_network(dataset, recipe, twin, singles, seed):
    """One network through all stages: (model, history)."""
    training, validation = dataset.split["training"], dataset.split["validation"]
    rng = np.random.default_rng([seed, 7])
    window = dataset.panel.template_window
    model = best((*window.shape, 2), dataset.n_classes, seed=seed)
    checked = best_input(plain_view(dataset.wide_crops[validation], MARGIN_PX, dataset.noise_sd)), dataset.y_true[validation]
    keras, history = load_keras(), []
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")

    def stage(name, epochs, rate, batch_size, draw, *, keep_lowest=False):
        lowest, weights = _loss(model, *checked), model.get_weights()
        for epoch, (crops, y_true) in enumerate(_ahead(draw, epochs)):
            model.optimizer.learning_rate = rate * (1 + np.cos(np.pi * epoch / epochs)) / 2
            keras.utils.set_random_seed(1000 * seed + epoch)
            loss = model.fit(crops, y_true, batch_size=batch_size, verbose=0).history["loss"][0]
            val_loss = _loss(model, *checked)
            history.append({"stage": name, "epoch": epoch + 1, "loss": loss, "val_loss": val_loss})
            if val_loss <= lowest:
                lowest, weights = val_loss, model.get_weights()
        if keep_lowest:
            model.set_weights(weights)

    # a twin has shown every shift and brightness already: what is left to learn is how these crops differ from it
    view = {"shift_px": 0.0, "dimmest": 1.0} if twin is not None else {}

    def copies(n):  # few labels are shown more often in an epoch, so that few labels are not few steps too
        return 1 if twin is not None else max(round(_PLAIN_CROPS / n), 1)

    def labelled(_):
        rows = np.tile(training, copies(len(training)))
        return shaken_view(dataset.wide_crops[rows], MARGIN_PX, dataset.noise_sd, rng, **view), dataset.y_true[rows]

    def single_types(_):
        n = copies(sum(len(y_true) for _, y_true, _ in singles))
        views = [shaken_view(crops, MARGIN_PX, noise_sd, rng, **view) for crops, _, noise_sd in n * list(singles)]
        return np.concatenate(views), np.concatenate([y_true for _, y_true, _ in n * list(singles)])

    learned = twin is not None
    if learned:
        stage("twin", recipe.twin_epochs, recipe.twin_rate, 256, lambda epoch: twin.draw(recipe.twin_crops, [seed, epoch]))
    if singles and recipe.single_epochs:
        # the first thing learned is gone through as long as the labelled crops alone would be
        epochs, rate = (recipe.single_epochs, recipe.single_rate) if learned else (recipe.plain_epochs, recipe.plain_rate)
        stage("single types", epochs, rate, 128, single_types)
        learned = True
    epochs, rate = (recipe.tune_epochs, recipe.tune_rate) if learned else (recipe.plain_epochs, recipe.plain_rate)
    stage("labelled crops", epochs, rate, 128, labelled, keep_lowest=True)
    return model, pd.DataFrame(history)


def _ahead(draw, epochs):
    """Crops of each epoch as the network takes them, each drawn while the one before is learned from."""

    def ready(epoch):
        crops, y_true = draw(epoch)
        return best_input(crops), y_true

    with ThreadPoolExecutor(1) as background:
        coming = background.submit(ready, 0)
        for epoch in range(epochs):
            now = coming.result()
            if epoch + 1 < epochs:
                coming = background.submit(ready, epoch + 1)
            yield now


def _loss(model, crops, y_true):
    if not len(y_true):
        return np.inf
    y_prob = predict(model, crops)
    return float(-np.log(np.maximum(y_prob[np.arange(len(y_true)), y_true], 1e-12)).mean())
