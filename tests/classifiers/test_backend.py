"""Keras is imported without TensorFlow's chatter, and with its warnings."""

import subprocess
import sys

import pytest


def _python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


@pytest.mark.slow
def test_tensorflows_chatter_is_held_and_its_warnings_are_not():
    out, err = _python(
        "from mirnb.classifiers.backend import load_keras; load_keras(); import tensorflow as tf\n"
        "tf.get_logger().warning('mind this'); print(1)"
    )
    assert out == "1\n"
    assert [line for line in err.splitlines() if line.strip()] == ["WARNING:tensorflow:mind this"]


def test_what_was_held_is_shown_when_the_import_fails():
    _, err = _python(
        "import os, sys; sys.modules['keras'] = None\n"
        "from mirnb.classifiers import backend\n"
        "with backend._chatter_held():\n"
        "    os.write(2, b'oneDNN custom operations are on\\n'); import keras"
    )
    assert "oneDNN custom operations are on" in err
    assert "ImportError" in err or "ModuleNotFoundError" in err
