"""The step of a training and the loop around it: Keras's `fit` with its callbacks."""

import signal
import sys
import time

import learned_jpeg.runtime.tensorflow_settings  # noqa: F401
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.progress import bar, duration

import numpy as np
import tensorflow as tf
from tqdm import tqdm

ESTIMATE_SECONDS = 10.0  # of steps before the time of the whole training is estimated


class Trainer(tf.keras.Model):
    """Keras's step for a JPEGPipeline."""

    def __init__(self, pipeline):
        super().__init__()
        self.pipeline = pipeline
        # Keras finds the weights of its own attributes.
        for name, part in pipeline.parts().items():
            setattr(self, name, part)
        means = [tf.keras.metrics.Mean(name=name) for name in pipeline.loss_names]
        # Keras finds no metrics behind a closure, so that running means are not among the weights.
        self._get_metrics = lambda: means
        # A metric's result is the mean over all replicas already; Keras would add the results up.
        self.distribute_reduction_method = "first"

    @property
    def metrics(self):
        return self._get_metrics()

    @property
    def step(self):
        """The number of steps that the model has been trained for."""
        return int(self.optimizer.iterations.numpy())

    def train_step(self, data):
        """data: {"images": uint8 [B, H, W, 3], "features": cached features, optional}."""
        self.pipeline.step = lambda: self.optimizer.iterations
        images = tf.cast(data["images"], tf.float32) / 255.0
        features = tf.cast(data["features"], tf.float32) if "features" in data else None
        with tf.GradientTape() as tape:
            terms = self.pipeline.loss_terms(images, training=True, features=features)
            # Gradients are summed over replicas; the loss is the mean over the whole batch.
            loss = terms["loss"] / tf.distribute.get_strategy().num_replicas_in_sync
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for metric in self.metrics:
            metric.update_state(terms[metric.name])
        return {metric.name: metric.result() for metric in self.metrics}


class Settled(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls to a hundredth of its schedule's in the last steps.

    rate: the schedule; last_step: the end of the training; part: the part of all steps in which
    the rate falls.
    """

    def __init__(self, rate, last_step, part):
        self.rate, self.last_step, self.part = rate, last_step, part

    def __call__(self, step):
        left = 1.0 - tf.cast(step, tf.float32) / self.last_step
        fallen = tf.clip_by_value(1.0 - left / self.part, 0.0, 1.0)
        return self.rate(step) * 0.01**fallen

    def get_config(self):
        return vars(self)


# Callbacks


class _Progress(tf.keras.callbacks.Callback):
    """The progress bar: steps of the whole training, and the means since the last summary.

    After ESTIMATE_SECONDS of steps, without the first, which builds the graph, a line says how
    long the training will take.
    """

    def __init__(self, folder, step, last_step):
        super().__init__()
        self.folder, self.last_step = folder, last_step
        self.bar = bar(None, initial=step, total=last_step, unit="step")
        self.start, self.said = None, False

    def on_train_batch_end(self, batch, logs=None):
        self.bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items()}, refresh=False)
        self.bar.update()
        now, step = time.monotonic(), self.model.step
        if self.start is None:
            self.start = now, step
        elif not self.said and now - self.start[0] > ESTIMATE_SECONDS:
            self.said = True
            seconds = (now - self.start[0]) / (step - self.start[1])
            tqdm.write(
                f"{self.folder}: about {duration(seconds * (self.last_step - step))} to step "
                f"{self.last_step} ({seconds:.2g} s a step); Ctrl-C saves, and the same command "
                "goes on",
                file=sys.stdout,
            )


class _StopRequest(tf.keras.callbacks.Callback):
    """Turns Ctrl-C and SIGTERM into the end of the current step."""

    received, before = None, {}

    def on_train_begin(self, logs=None):
        def note(number, _):
            self.received = number

        self.before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training |= self.received is not None

    def end(self):
        """Restores the earlier signal handlers."""
        for number, handler in self.before.items():
            signal.signal(number, handler)


class _FiniteLoss(tf.keras.callbacks.Callback):
    """Stops at a loss that is not finite, before its weights can reach a checkpoint."""

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            raise UserError(
                f"the loss is no longer finite at step {self.model.step}; the last good "
                "checkpoint is kept. A lower --lr usually helps"
            )


class Checkpoints(tf.keras.callbacks.Callback):
    """Saves every `every` steps and at the end."""

    def __init__(self, saver, every):
        super().__init__()
        self.saver, self.every, self.saved = saver, every, None

    def _save(self):
        step = self.model.step
        if step == self.saved:
            return
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise UserError(
                f"the weights are no longer finite at step {step}; the last good checkpoint is "
                "kept. A lower --lr usually helps"
            )
        self.saver.save(step)
        self.saved = step

    def on_train_batch_end(self, batch, logs=None):
        if self.model.step % self.every == 0:
            self._save()

    def on_train_end(self, logs=None):
        self._save()


def fit(model, dataset, folder, last_step, callbacks, chief):
    """Trains to the last step, or until a signal; returns the exit status.

    dataset: the batches for `Trainer.train_step`, from the model's step on; folder: its name in
    messages; chief: whether this process shows the progress.
    """
    stop, step = _StopRequest(), model.step
    if step:
        print(f"{folder}: the training goes on at step {step}")
    progress = [_Progress(folder, step, last_step)] if chief else []
    callbacks = [_FiniteLoss(), stop, *callbacks, *progress]
    try:
        model.fit(dataset, steps_per_epoch=last_step - step, verbose=0, callbacks=callbacks)
    finally:
        stop.end()
        for one in progress:  # before the line of an error
            one.bar.close()
    if stop.received is None:
        print(f"{folder}: trained to step {model.step}")
        return 0
    print(f"{folder}: stopped at step {model.step}; the same command goes on from there")
    return 128 + stop.received
