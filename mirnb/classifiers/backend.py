"""Import Keras when it is needed, without TensorFlow's start-up chatter, keeping its warnings.

TensorFlow writes notices about oneDNN, CPU features and missing GPUs straight to file descriptor 2, below Python's reach.
What is written there while TensorFlow is imported and asked for its devices is held in a temporary file; afterwards
everything but the known notices is shown, and all of it if the import failed. Later messages are not touched. (Turning
oneDNN off would silence its notice as well, and make training half as fast.)
"""

import contextlib
import functools
import os
import sys
import tempfile

import numpy as np

from mirnb.files import InputError, whole_file

_CHATTER = (
    "oneDNN custom operations are on", "cpu_feature_guard", "To enable the following instructions", "cuda_diagnostics",
    "Could not find cuda drivers", "failed call to cuInit", "Failed call to cuInit", "Unable to register cu",
    "computation placer already registered", "All log messages before absl::InitializeLog",
)  # fmt: skip


@functools.cache
def load_keras():
    """The `keras` module, imported on first use (3 to 8 s); the backend is TensorFlow unless KERAS_BACKEND is set."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or the first worker would take all of a GPU's memory
    with _chatter_held(), _no_config_of_the_user():
        import keras

        keras.config.set_floatx("float32")  # it may have been imported before
        keras.config.set_image_data_format("channels_last")
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.constant(0)  # the first operation finds the devices, and says so
    return keras


@contextlib.contextmanager
def _no_config_of_the_user():
    """Keras reads number type, image format and cuts of training from ~/.keras when it is imported: not in a run of ours."""
    kept = os.environ.get("KERAS_HOME")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["KERAS_HOME"] = empty
        try:
            yield
        finally:
            del os.environ["KERAS_HOME"]
            os.environ.update({} if kept is None else {"KERAS_HOME": kept})


@contextlib.contextmanager
def _chatter_held():
    sys.stderr.flush()
    kept = os.dup(2)
    failed = True
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if line.strip() and (failed or not any(notice in line for notice in _CHATTER)):
                    print(line, file=sys.stderr)


def glorot(seed, layer):
    """Where the kernel of a layer starts from, the first being 1: Keras's default, with a seed of its own."""
    return load_keras().initializers.GlorotUniform(seed=1000 * seed + layer)


def predict(model, crops, *, batch_size=2048):
    """Probabilities (n, n_classes) of a Keras model for crops in its input form, batch by batch.

    A call takes about as long as 200 crops more, so that a part of a stack is best one batch.

    Called directly: Keras's own `predict` builds a graph for every model, and warns when there are many.
    """
    ops = load_keras().ops
    batches = [crops[start : start + batch_size] for start in range(0, len(crops), batch_size)]
    parts = [ops.convert_to_numpy(model(one, training=False)) for one in batches]
    return np.concatenate(parts) if parts else np.empty((0, model.output_shape[-1]), np.float32)


def save_model(model, path):
    """Save a Keras model, whole or not at all."""
    with whole_file(path) as temporary:
        model.save(temporary)


def load_model(path):
    """A Keras model that `save_model` saved, not compiled; nothing in the file is run (Keras's safe mode)."""
    keras = load_keras()
    try:
        return keras.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # of many kinds, when the file is not what it says it is
        words = str(error).splitlines()[0][:200] if str(error) else ""
        raise InputError(f"{path}: the network in it cannot be read ({type(error).__name__}: {words})") from None
