"""How TensorFlow starts: imported before it by what needs it, and by nothing else."""

import logging
import os

# TensorFlow's C++ log reports what it did not find (GPUs, plugins) as errors on every start.
# What goes wrong for good is raised in Python all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its Python log warns that the models of a run, loaded one after another, are traced each.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# TensorFlow after 2.15: tf.keras is the Keras that the models are written for, not Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
