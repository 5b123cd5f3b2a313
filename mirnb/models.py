"""The classifiers' definitions: LeNet-5 (thesis 2.2, Fig 3), miRACLE's PCA and SVM, the network we know as best."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mirnb.imaging.preprocessing import crop_medians
from mirnb.quiet import load_keras

PCA_COMPONENTS = 20  # miRACLE (thesis reference 2), as its next two
MIRACLE_C = 0.05
NOISE_COPIES = 6


def lenet5(
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
    seed : int

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


def glorot(seed, layer):
    """Where the kernel of a layer starts from, the first being 1: Keras's default, with a seed of its own."""
    return load_keras().initializers.GlorotUniform(seed=1000 * seed + layer)


def best(crop_shape, n_classes, *, seed=0):
    """The network we know as best: three convolutions on raw crops as `best_input` shows them.

    For crops of (24, 10, 2) and 4 classes it has 28,608 weights. Dropout and weights follow from `seed`.

    Parameters
    ----------
    crop_shape : (rows, cols, 2)
    n_classes : int
    seed : int

    Returns
    -------
    keras.Sequential, not compiled; its output is a probability per class
    """
    keras = load_keras()
    layers = keras.layers

    def convolution(number, filters, kernel):
        start = glorot(seed, number)
        return layers.Conv2D(filters, kernel, padding="same", activation="relu", kernel_initializer=start)

    def dense(number, units, activation):
        return layers.Dense(units, activation=activation, kernel_initializer=glorot(seed, number))

    return keras.Sequential(
        [
            keras.Input(tuple(crop_shape)),
            convolution(1, 12, (5, 3)),
            layers.MaxPooling2D((2, 2)),
            convolution(2, 24, (3, 3)),
            layers.MaxPooling2D((2, 2)),
            convolution(3, 32, (3, 3)),
            layers.Flatten(),
            layers.Dropout(0.2, seed=1000 * seed + 4),
            dense(5, 48, "relu"),
            layers.Dropout(0.2, seed=1000 * seed + 6),
            dense(7, n_classes, "softmax"),
        ],
        name="best",
    )


def best_input(crops):
    """Crops as `best` takes them: near the background in full detail, and all of the light on a logarithmic scale.

    Parameters
    ----------
    crops : ndarray of shape (n, rows, cols)
        In units of the background's noise; each crop's own median is taken as its background.

    Returns
    -------
    float32 ndarray of shape (n, rows, cols, 2)
    """
    crops = np.asarray(crops, np.float32)
    light = crops - crop_medians(crops)
    return np.stack([np.clip(light, -4, 8) / 4, np.arcsinh(light / 4)], axis=-1)


def pca_svm(*, C, seed=0):
    """miRACLE's classifier (thesis reference 2): 20 principal components of flat raw crops, scaled, and an RBF SVM.

    Returns
    -------
    sklearn Pipeline, not fitted; takes (n, rows * cols)
    """
    return make_pipeline(PCA(PCA_COMPONENTS, random_state=seed), StandardScaler(), SVC(C=C, random_state=seed))


def noisy_copies(crops, y_true, noise_sd, *, n_copies=NOISE_COPIES, seed=0):
    """Crops followed by copies of them with noise added (miRACLE's augmentation): (crops, y_true), float32.

    The noise has the background's own standard deviation, `noise_sd` counts.
    """
    rng = np.random.default_rng([seed, 8])
    noise = [rng.normal(0, noise_sd, crops.shape) if k else 0.0 for k in range(n_copies + 1)]
    return np.concatenate([crops + one for one in noise]).astype(np.float32), np.tile(y_true, n_copies + 1)


def predict(model, crops, *, batch_size=1024):
    """Probabilities (n, n_classes) of a Keras model for crops in its input form, batch by batch.

    Called directly: Keras's own `predict` builds a graph for every model, and warns when there are many.
    """
    ops = load_keras().ops
    batches = [crops[start : start + batch_size] for start in range(0, len(crops), batch_size)]
    parts = [ops.convert_to_numpy(model(one, training=False)) for one in batches]
    return np.concatenate(parts) if parts else np.empty((0, model.output_shape[-1]), np.float32)


def layer_table(model):
    """One row a layer: layer (name to print), shape of its output without the batch, weights."""
    names = {
        "conv2d": "convolution",
        "max_pooling2d": "max pooling",
        "flatten": "flatten",
        "dense": "dense",
        "dropout": "dropout",
    }
    rows = [{"layer": "crop", "shape": tuple(model.input_shape[1:]), "weights": 0}]
    for layer in model.layers:
        kind = next((title for start, title in names.items() if layer.name.startswith(start)), layer.name)
        rows.append({"layer": kind, "shape": tuple(layer.output.shape[1:]), "weights": layer.count_params()})
    return pd.DataFrame(rows)
