"""Train the twin-trained CNN: on a simulated twin, on single-type samples where there are some, then on the labelled crops.

Three networks (`twin_cnn.build_twin_cnn`) that differ in their weights learn together and are averaged. The epoch of
fine-tuning with the lowest validation loss stays, the one before the first included; the temperature follows from
validation too. The finished networks are kept in the run folder.
"""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.caches import cache_key, cached
from mirnb.classifiers.backend import load_keras, load_model, predict, save_model
from mirnb.classifiers.base import Rival
from mirnb.classifiers.calibration import apply_temperature, cross_entropy, fit_temperature
from mirnb.classifiers.dataset import single_type_crops
from mirnb.classifiers.together import compile_together, join, learn_epoch
from mirnb.classifiers.twin_cnn import TwinCnn, build_twin_cnn, plain_view, shaken_view, twin_cnn_input
from mirnb.experiments.cutouts import MARGIN_PX
from mirnb.files import InputError
from mirnb.imaging.preprocessing import crop_medians
from mirnb.simulation.twin_estimate import estimate_twin


@dataclass(frozen=True)
class Recipe:
    """How `twin_cnn` is trained. Without a twin the labelled crops are all there is, and are gone through more often."""

    n_networks: int = 3
    twin_crops: int = 30_000  # drawn anew in every epoch
    twin_epochs: int = 8  # 0: no twin
    twin_rate: float = 3e-3  # of Adam, falling to 0 along a cosine; so are the others
    single_epochs: int = 3  # over the crops of single-type samples; 0: none
    single_rate: float = 2e-4
    tune_epochs: int = 4
    tune_rate: float = 2e-4
    plain_epochs: int = 60  # when nothing was learned before
    plain_rate: float = 2e-3


_PLAIN_CROPS = 2400  # crops an epoch when there is no twin
_HISTORY = ("network", "epoch", "loss", "val_loss")
QUICK = Recipe(n_networks=1, twin_crops=500, twin_epochs=1, single_epochs=1, tune_epochs=1, plain_epochs=1)


@dataclass(frozen=True, eq=False)
class TwinCnnTraining:
    """A finished training of all networks."""

    model_paths: list  # of each network
    history: pd.DataFrame  # stage, network (from 1), epoch, loss, val_loss
    y_prob: np.ndarray  # (n_crops, n_classes) mean of the networks, at the temperature
    temperature: float
    noise_sd: float
    seconds: float  # of training, when it was trained
    tuned_epochs: list  # of each network: the epoch of fine-tuning that validation chose, 0 for none
    hidden_share: dict  # miR -> share of the crops labelled noise that the twin takes for its pairs; empty without a twin


def train_twin_cnn(dataset, run, *, recipe=None, singles=(), seed=3) -> TwinCnnTraining:
    """Train the twin-trained CNN, or read it back.

    Parameters
    ----------
    dataset : Dataset
        Its training crops are learned from; validation chooses the epoch and the temperature.
    recipe : Recipe, optional
    singles : sequence of (wide_crops, y_true, noise_sd)
        Labelled crops of single-type samples, as `dataset.single_type_crops` gives them.
    """
    recipe = recipe or Recipe()
    if not dataset.noise_sd > 0:
        raise InputError(f"{run.experiment.folder}: the background of the stack has no noise at all; is it the raw stack?")
    rows = [dataset.split[name] for name in ("training", "validation")]
    seen = [dataset.wide_crops, dataset.background, dataset.y_true, *rows, *(part for one in singles for part in one)]
    key = cache_key(asdict(recipe), seed, dataset.panel.to_dict(), dataset.noise_sd, *seen)
    folder = run.root / "cache" / f"twin_cnn_networks-{key}"
    paths = [folder / f"network_{k}.keras" for k in range(recipe.n_networks)]

    def make():
        start, twin = time.perf_counter(), twin_of(dataset) if recipe.twin_epochs else None
        networks, history, tuned = _train_networks(dataset, recipe, twin, singles, seed, paths)
        for one, path in zip(networks, paths, strict=True):
            save_model(one, path)
        crops = twin_cnn_input(plain_view(dataset.wide_crops, MARGIN_PX, dataset.noise_sd))
        return {
            "y_prob": np.stack([predict(one, crops) for one in networks]), "tuned": tuned,
            "hidden_share": np.zeros(0) if twin is None else twin.hidden_share, "seconds": time.perf_counter() - start,
            **{name: history[name].to_numpy() for name in _HISTORY}, "stage": history["stage"].to_numpy(dtype=str),
        }  # fmt: skip

    stored = cached(folder / "networks.npz", make, beside=[*paths, *map(_pretrained, paths)])
    mean, validation = stored["y_prob"].mean(axis=0), dataset.split["validation"]
    temperature = fit_temperature(dataset.y_true[validation], mean[validation])
    history = pd.DataFrame({name: stored[name] for name in ("stage", *_HISTORY)})
    hidden = dict(zip(dataset.panel.mir_names, stored["hidden_share"].tolist(), strict=False))
    y_prob, seconds = apply_temperature(mean, temperature), float(stored["seconds"])
    return TwinCnnTraining(paths, history, y_prob, temperature, dataset.noise_sd, seconds, stored["tuned"].tolist(), hidden)


def network_seed(seed, k):
    """Seed of network k of a training."""
    return (100 * seed + k) % 1_000_000


def _pretrained(model_path):
    """Where a network is kept as it was before it saw the labelled crops."""
    return model_path.with_name(f"pretrained_{model_path.name}")


def tune_again(dataset, trained, *, recipe=None, seed=3):
    """A function that repeats the fine-tuning of a training on other crops, from the same pre-trained weights.

    Parameters
    ----------
    recipe, seed
        Of the training.

    Returns
    -------
    callable
        Takes rows (int ndarray) to learn from, for as many epochs as each network was given in the training, and the number
        of the fold, which draws other views of the crops; gives the networks (keras.Model), which the next call changes.
    """
    recipe, networks = recipe or Recipe(), [load_model(_pretrained(path)) for path in trained.model_paths]
    together = join(networks)
    compile_together(together, load_keras().optimizers.Adam(1e-3))
    start = [one.numpy() for one in (*together.variables, *together.optimizer.variables)]
    stages, number, tuned = set(trained.history["stage"]), network_seed(seed, 0), trained.tuned_epochs

    def tune(rows, fold):
        for variable, value in zip((*together.variables, *together.optimizer.variables), start, strict=True):
            variable.assign(value)
        rng = np.random.default_rng([number, 7, fold])
        plan = _labelled(dataset, rows, recipe, rng, twin="twin" in stages, learned=len(stages) > 1)
        weights = [one.get_weights() for one in networks]
        for epoch, _ in learn(together, number, *plan, n_epochs=max(tuned)):
            weights = [
                one.get_weights() if epoch <= last else old for one, old, last in zip(networks, weights, tuned, strict=True)
            ]
        for one, values in zip(networks, weights, strict=True):
            one.set_weights(values)
        return networks

    return tune


def twin_of(dataset):
    """The twin of a dataset, from its training crops and the background of its frames."""
    training = dataset.split["training"]
    crops = plain_view(dataset.wide_crops[training], MARGIN_PX, dataset.noise_sd)
    ground = dataset.background.astype(np.float32) / dataset.noise_sd
    crops, ground = crops - crop_medians(crops), ground - crop_medians(ground)
    if not len(ground):  # blobs everywhere: noise without neighbours
        ground = np.random.default_rng(0).standard_normal((500, *dataset.panel.template_window.shape), np.float32)
    return estimate_twin(crops, dataset.y_true[training], dataset.panel, ground)


def _train_networks(dataset, recipe, twin, singles, seed, paths):
    """All networks through all stages: (networks, history, chosen epoch of fine-tuning of each); kept before it as well."""
    training, validation = dataset.split["training"], dataset.split["validation"]
    rng, number = np.random.default_rng([network_seed(seed, 0), 7]), network_seed(seed, 0)
    shape, n_classes = (*dataset.panel.template_window.shape, 2), dataset.n_classes
    networks = [build_twin_cnn(shape, n_classes, seed=network_seed(seed, k)) for k in range(recipe.n_networks)]
    checked = (
        twin_cnn_input(plain_view(dataset.wide_crops[validation], MARGIN_PX, dataset.noise_sd)),
        dataset.y_true[validation],
    )
    together, history = join(networks), []
    compile_together(together, load_keras().optimizers.Adam(1e-3))

    def watched(name, *plan):
        for epoch, losses in tqdm(learn(together, number, *plan), total=plan[0], desc=name, unit="epoch", leave=False):
            val_losses = [_loss(one, *checked) for one in networks]
            history.extend((name, k, epoch, *two) for k, two in enumerate(zip(losses, val_losses, strict=True), 1))
            yield epoch, val_losses

    if twin is not None:
        plan = recipe.twin_epochs, recipe.twin_rate, 256, lambda epoch: twin.draw(recipe.twin_crops, [number, epoch])
        list(watched("twin", *plan))
    if singles and recipe.single_epochs:
        list(watched("single types", *_single_types(singles, recipe, rng, twin=twin is not None)))
    for one, path in zip(networks, paths, strict=True):
        save_model(one, _pretrained(path))
    chosen = [(_loss(one, *checked), 0, one.get_weights()) for one in networks]
    plan = _labelled(dataset, training, recipe, rng, twin=twin is not None, learned=bool(history))
    for epoch, val_losses in watched("labelled crops", *plan):
        now = [(loss, epoch, one.get_weights()) for loss, one in zip(val_losses, networks, strict=True)]
        chosen = [new if new[0] <= old[0] else old for new, old in zip(now, chosen, strict=True)]
    for one, (_, _, weights) in zip(networks, chosen, strict=True):
        one.set_weights(weights)
    return networks, pd.DataFrame(history, columns=["stage", *_HISTORY]), [epoch for _, epoch, _ in chosen]


def learn(together, seed, epochs, rate, batch_size, draw, *, n_epochs=None):
    """Have networks learn together from what `draw` gives for each epoch, at a rate that falls along a cosine.

    Parameters
    ----------
    together : keras.Model
        As `together.join` makes them, compiled.
    draw : callable
        Epoch from 0 -> crops of (n, rows, cols) in units of the noise, and y_true.
    n_epochs : int, optional
        Stop after so many of the `epochs` that the rate falls over.

    Yields
    ------
    epoch, from 1; losses of each network
    """
    for epoch, (crops, y_true) in enumerate(_ahead(draw, epochs if n_epochs is None else n_epochs)):
        together.optimizer.learning_rate = rate * (1 + np.cos(np.pi * epoch / epochs)) / 2
        order = np.random.default_rng([seed, 8, epoch]).permutation(len(crops))
        yield epoch + 1, learn_epoch(together, crops, y_true, order, batch_size)


def _view(twin):
    """How crops are shaken: a twin has shown every shift and brightness already; what is left is how crops differ."""
    return {"shift_px": 0.0, "dimmest": 1.0} if twin else {}


def _copies(n, twin):
    """How often crops are shown in an epoch: few labels are not few steps too."""
    return 1 if twin else max(round(_PLAIN_CROPS / n), 1)


def _single_types(singles, recipe, rng, *, twin):
    """Stage of single-type crops; the first thing learned is gone through as long as the labelled crops alone would be."""

    def draw(_):
        shown = _copies(sum(len(y_true) for _, y_true, _ in singles), twin) * list(singles)
        views = [shaken_view(crops, MARGIN_PX, noise_sd, rng, **_view(twin)) for crops, _, noise_sd in shown]
        return np.concatenate(views), np.concatenate([y_true for _, y_true, _ in shown])

    epochs, rate = (recipe.single_epochs, recipe.single_rate) if twin else (recipe.plain_epochs, recipe.plain_rate)
    return epochs, rate, 128, draw


def _labelled(dataset, rows, recipe, rng, *, twin, learned):
    """Stage of labelled crops."""

    def draw(_):
        shown = np.tile(rows, _copies(len(rows), twin))
        crops = shaken_view(dataset.wide_crops[shown], MARGIN_PX, dataset.noise_sd, rng, **_view(twin))
        return crops, dataset.y_true[shown]

    epochs, rate = (recipe.tune_epochs, recipe.tune_rate) if learned else (recipe.plain_epochs, recipe.plain_rate)
    return epochs, rate, 128, draw


def _ahead(draw, epochs):
    """Crops of each epoch as the network takes them, each drawn while the one before is learned from."""

    def ready(epoch):
        crops, y_true = draw(epoch)
        return twin_cnn_input(crops), y_true

    with ThreadPoolExecutor(1) as background:
        coming = background.submit(ready, 0) if epochs else None
        for epoch in range(epochs):
            now = coming.result()
            if epoch + 1 < epochs:
                coming = background.submit(ready, epoch + 1)
            yield now


def _loss(model, crops, y_true):
    return cross_entropy(y_true, predict(model, crops)) if len(y_true) else np.inf


def train_twin_cnn_rival(dataset, run, *, recipe=None, singles=None, seed=3):
    """The kind twin_cnn.

    Parameters
    ----------
    recipe : Recipe, or dict of its fields, optional
    singles : sequence, optional
        As `train_twin_cnn` takes them; those the experiment names under `pretrain` by default.
    """
    recipe = Recipe(**recipe) if isinstance(recipe, dict) else recipe or Recipe()
    singles = single_type_crops(run.experiment) if singles is None else singles
    trained = train_twin_cnn(dataset, run, recipe=recipe, singles=singles, seed=seed)

    tuning = functools.cache(lambda: tune_again(dataset, trained, recipe=recipe, seed=seed))

    def refit(rows, held, fold):
        crops = twin_cnn_input(plain_view(dataset.wide_crops[held], MARGIN_PX, dataset.noise_sd))
        mean = np.mean([predict(one, crops) for one in tuning()(rows, fold)], axis=0)
        return apply_temperature(mean, trained.temperature)

    note = f"{len(trained.model_paths)} networks, temperature {trained.temperature:.2f}"
    return Rival(
        "twin_cnn", TwinCnn.from_training(trained), trained.y_prob, trained.seconds, refit, {"recipe": asdict(recipe)}, note
    )
