"""Settings that TensorFlow reads at its start: `lazy` imports this module just before it."""

import logging
import os

# TensorFlow's C++ log reports missing GPUs and plugins as errors on every start. Real errors are
# also raised in Python.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its Python log warns that each of several models, loaded one after another, is traced.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# In TensorFlow after 2.15, tf.keras shall be Keras 2, which the models are written for.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
