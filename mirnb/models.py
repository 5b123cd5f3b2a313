"""LeNet-5 of the thesis (section 2.2, Fig 3)."""

import pandas as pd

from mirnb.quiet import load_keras


def lenet5(crop_shape, n_classes, *, filter1=12, filter2=16, filter3=20, kernel=(5, 5), pool=(2, 2), seed=0):
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
    seed : int

    Returns
    -------
    keras.Sequential, not compiled; its output is a probability per class
    """
    keras = load_keras()

    def start(layer):
        return keras.initializers.GlorotUniform(seed=1000 * seed + layer)

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(tuple(crop_shape)),
            layers.Conv2D(filter1, tuple(kernel), padding="same", activation="relu", kernel_initializer=start(1)),
            layers.MaxPooling2D(tuple(pool)),
            layers.Conv2D(filter2, tuple(kernel), padding="same", activation="relu", kernel_initializer=start(2)),
            layers.MaxPooling2D(tuple(pool)),
            layers.Flatten(),
            layers.Dense(filter3, activation="relu", kernel_initializer=start(3)),
            layers.Dense(n_classes, activation="softmax", kernel_initializer=start(4)),
        ],
        name="lenet5",
    )


def layer_table(model):
    """One row a layer: layer (name to print), shape of its output without the batch, weights."""
    names = {"conv2d": "convolution", "max_pooling2d": "max pooling", "flatten": "flatten", "dense": "dense"}
    rows = [{"layer": "crop", "shape": tuple(model.input_shape[1:]), "weights": 0}]
    for layer in model.layers:
        kind = next((title for start, title in names.items() if layer.name.startswith(start)), layer.name)
        rows.append({"layer": kind, "shape": tuple(layer.output.shape[1:]), "weights": layer.count_params()})
    return pd.DataFrame(rows)
