"""LeNet-5 several times, with seeds of their own, side by side in one model: the first convolution of all is one large one.

Nothing that is learned is shared, both optimizers go weight by weight, and sums run over the same numbers in the same order
however many networks there are: on one machine, what a network learns follows from its seed, bit for bit where we looked.
"""

import functools
from dataclasses import replace

import numpy as np

from mirnb.classifiers.backend import glorot, load_keras
from mirnb.classifiers.together import batches, compile_together, learn_epoch


def train_side_by_side(crops, y_true, n_classes, hyper, seeds, *, shuffle_seed=3):
    """Train one LeNet-5 (thesis 2.2) a seed, with categorical cross-entropy: the model that `learn_side_by_side` yields."""
    *_, (model, _) = learn_side_by_side(crops, y_true, n_classes, hyper, seeds, shuffle_seed=shuffle_seed)
    return model


def learn_side_by_side(crops, y_true, n_classes, hyper, seeds, *, shuffle_seed=3):
    """Train one LeNet-5 (thesis 2.2) a seed, with categorical cross-entropy, epoch by epoch.

    Parameters
    ----------
    crops : float32 ndarray of shape (n, rows, cols, channels)
        Scaled training crops.
    y_true : int ndarray of shape (n,)
    seeds : sequence of int
        Of the initial weights, one a network.
    shuffle_seed : int
        Order of the crops in the batches, the same for all networks.

    Yields
    ------
    model : keras.Model
        For `predict_side_by_side` and `weights_of`, until the next training of as many such networks: it is used again.
    losses : ndarray of shape (n_networks,)
        Mean over the crops of the epoch, while weights change, as Keras tells it.
    """
    alike = replace(hyper, epochs=1, learning_rate=1.0)  # neither is part of the graph
    model, untrained = _compiled(crops.shape[1:], n_classes, alike, len(seeds))
    for variable, value in zip(model.optimizer.variables, untrained, strict=True):
        variable.assign(value)
    model.optimizer.learning_rate = hyper.learning_rate
    shapes = hyper.kernel_shapes(crops.shape[1:], n_classes)
    _set_weights(model, [_untrained(shapes, seed) for seed in seeds])
    rng = np.random.default_rng([shuffle_seed, 9])
    for _ in range(hyper.epochs):
        yield model, learn_epoch(model, crops, y_true, rng.permutation(len(crops)), hyper.batch_size)


def predict_side_by_side(model, crops, *, batch_size=128):
    """Probabilities of each network for crops in its input form, (n_networks, n, n_classes)."""
    order = np.arange(len(crops))
    parts = [model.predict_on_batch(crops[rows]) for rows, _ in batches(order, batch_size)]
    return np.concatenate(parts)[: len(crops)].transpose(1, 0, 2)


def weights_of(model, number):
    """Weights of one network, in the order of `lenet5.build_lenet5`'s."""
    first, bias = (np.split(values, model.output_shape[1], axis=-1) for values in model.get_layer("first").get_weights())
    dense = [model.get_layer(name).get_weights()[0][number] for name in ("dense", "classes")]
    second = model.get_layer(f"second_{number}").get_weights()
    return [first[number], bias[number], *second, *(values for one in dense for values in (one[:-1], one[-1]))]


def _set_weights(model, weights):
    """Set the weights of all networks, given as `weights_of` gives those of one."""
    model.get_layer("first").set_weights([np.concatenate([one[at] for one in weights], axis=-1) for at in (0, 1)])
    for number, one in enumerate(weights):
        model.get_layer(f"second_{number}").set_weights(one[2:4])
    for name, at in (("dense", 4), ("classes", 6)):
        model.get_layer(name).set_weights([np.stack([np.vstack([one[at], one[at + 1]]) for one in weights])])


def _untrained(shapes, seed):
    """The weights `lenet5.build_lenet5` starts from, for kernels of these shapes."""
    ops = load_keras().ops
    kernels = [ops.convert_to_numpy(glorot(seed, layer)(shape)) for layer, shape in enumerate(shapes, 1)]
    return [values for kernel in kernels for values in (kernel, np.zeros(kernel.shape[-1], np.float32))]


@functools.lru_cache(maxsize=1)  # the next group of the same networks need not be compiled again
def _compiled(crop_shape, n_classes, hyper, n_networks):
    """The model, and the state its optimizer starts from."""
    keras = load_keras()
    keras.utils.clear_session(free_memory=True)  # of the model before
    layers, ops = keras.layers, keras.ops

    def convolved(maps, filters, name):
        """Pooled before the ReLU: the outcome is the same, bit for bit, with less to do."""
        maps = layers.Conv2D(filters, hyper.kernel, padding="same", name=name)(maps)
        return layers.Activation("relu")(layers.MaxPooling2D(hyper.pool, padding=hyper.padding)(maps))

    def dense(values, units, activation, name):
        """A dense layer for each network; its kernel's last row is the bias, whose sum over a batch has a fixed shape so."""
        values = ops.pad(values, ((0, 0), (0, 0), (0, 1)), constant_values=1.0)
        return layers.EinsumDense("brf,rfg->brg", (n_networks, units), activation=activation, name=name)(values)

    crop = keras.Input(crop_shape)
    maps = ops.split(convolved(crop, n_networks * hyper.filter1, "first"), n_networks, axis=-1)
    maps = [convolved(one, hyper.filter2, f"second_{k}") for k, one in enumerate(maps)]
    values = ops.stack([layers.Flatten()(one) for one in maps], axis=1)  # (batch, n_networks, n_values)
    model = keras.Model(crop, dense(dense(values, hyper.filter3, "relu", "dense"), n_classes, "softmax", "classes"))

    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[hyper.optimizer](hyper.learning_rate)
    compile_together(model, optimizer)
    return model, [ops.convert_to_numpy(variable) for variable in optimizer.variables]
