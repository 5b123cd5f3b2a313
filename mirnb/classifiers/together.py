"""Networks that learn together, as one Keras model on the same batches, each from its own loss alone.

On a processor this is faster than one after another: a step's overhead is shared, and Keras's own `fit`, whose pipeline
keeps the processor waiting for crops in memory, is left out.
"""

import numpy as np

from mirnb.classifiers.backend import load_keras


def join(networks):
    """Networks of one input and as many classes as one model: probabilities of (n, n_networks, n_classes)."""
    keras = load_keras()
    crops = keras.Input(networks[0].input_shape[1:])
    for number, one in enumerate(networks):
        one.name = f"network_{number}"
    return keras.Model(crops, keras.ops.stack([one(crops) for one in networks], axis=1))


def compile_together(model, optimizer):
    """Compile a model as `join` makes them: what is learned is summed over the networks, so each gets its own gradient."""
    keras, n_networks = load_keras(), model.output_shape[1]
    ops = keras.ops

    def losses(y_true, y_prob):
        """Categorical cross-entropy of each crop and network."""
        y_true = ops.broadcast_to(ops.reshape(y_true, (-1, 1)), ops.shape(y_prob)[:2])
        return keras.losses.sparse_categorical_crossentropy(y_true, y_prob)

    class Losses(keras.metrics.Metric):
        """Mean loss of each network over the crops of the last batch."""

        def __init__(self):
            super().__init__(name="losses")
            self.means = self.add_weight(shape=(n_networks,), initializer="zeros")

        def update_state(self, y_true, y_prob, sample_weight):
            seen = ops.cast(sample_weight > 0, "float32")
            self.means.assign(ops.sum(seen[:, None] * losses(y_true, y_prob), axis=0) / ops.sum(seen))

        def result(self):
            return self.means

    model.compile(optimizer, loss=lambda *two: ops.sum(losses(*two), axis=1), weighted_metrics=[Losses()])
    model.reset_metrics = lambda: None  # a tenth of a step: done before each, though nothing is summed up that is read
    optimizer.build(model.trainable_variables)


def learn_epoch(model, crops, y_true, order, batch_size):
    """One pass over the crops in an order: mean loss of each network, while weights change, (n_networks,)."""
    losses = np.zeros(model.output_shape[1])
    for rows, weights in batches(order, batch_size):
        told = model.train_on_batch(crops[rows], y_true[rows], sample_weight=weights, return_dict=True)
        losses += np.count_nonzero(weights) / len(order) * told["losses"]
    return losses


def batches(order, batch_size):
    """Rows and weights of full batches; the last is filled up with rows of weight 0, as another size is another graph."""
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        weights = np.zeros(batch_size, np.float32)
        weights[: len(rows)] = batch_size / len(rows)
        yield np.resize(rows, batch_size), weights
