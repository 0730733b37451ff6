"""The folder of a trained model: description, digest, note, and the restored model."""

import json
import shutil
import subprocess
import sys

import arg_parser
import ljpeg
from learned_jpeg.models import checkpoints, encoding
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import tensorflow as tf


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edit_config(folder, **options):
    config = json.loads((folder / "config.json").read_text())
    config["options"] |= options
    (folder / "config.json").write_text(json.dumps(config))


def fake(folder, **options):
    """A folder with the names, but not the content, of a checkpoint."""
    folder.mkdir()
    name = "ljpeg_attention"
    config = {"architecture": name, "options": options, "versions": {}, "step": 7}
    checkpoints.write_config(folder, config)
    for ending in ("index", "data-00000-of-00001"):
        (folder / f"ckpt-7.{ending}").write_text(ending)
    checkpoints.write_note(folder / "ckpt-7")
    return folder


def test_the_folder_holds_one_checkpoint_and_a_description(trained, arguments):
    names = {name for name in files(trained) if not name.startswith("events")}
    data = {f"learned_jpeg-3.{ending}" for ending in ("index", "data-00000-of-00001")}
    assert names == {"config.json", "checkpoint", *data}
    assert tf.train.latest_checkpoint(trained) == str(trained / "learned_jpeg-3")
    config = checkpoints.read_config(trained)
    assert (config["architecture"], config["step"]) == ("ljpeg", 3)
    assert config["versions"]["tensorflow"] == tf.__version__
    options = vars(arg_parser.parse(ljpeg.LJPEG, "", arguments(trained)))
    not_of_a_run = {"command", "checkpoint_dir", "jobs", "json", "published"}
    assert set(config["options"]) == set(options) - not_of_a_run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"architecture": 1, "options": {}, "versions": {}, "step": 1}',
        '{"architecture": "ljpeg", "options": [], "versions": {}, "step": 1}',
        '{"architecture": "ljpeg", "options": {}, "versions": {}, "step": -1}',
        '{"architecture": "ljpeg", "options": {}, "versions": {}, "step": true}',
        b"\xff\xfe",
    ],
)
def test_a_broken_description_is_named(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
    for use in (checkpoints.read_config, checkpoints.describe, checkpoints.restore):
        with pytest.raises(UserError, match="config.json: not the description of a training"):
            use(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lmbda", "x"),
        ("lmbda", float("inf")),
        ("lmbda", True),
        ("seed", 0.5),
        ("seed", 10**30),
        ("sampling", "4444"),
        ("rounding", "upwards"),
        ("rate", None),
        ("lpips_weight", [1]),
    ],
)
def test_a_wrong_value_of_an_option_is_an_error(run, name, value):
    edit_config(run, **{name: value})
    with pytest.raises(UserError, match="config.json: no model of ljpeg has these options"):
        checkpoints.restore(run)


@pytest.mark.parametrize("name", ["ljpeg_PIL", "no_such", "os", ""])
def test_an_architecture_without_weights_is_an_error(run, name):
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"architecture": name}))
    with pytest.raises(UserError, match="config.json"):
        checkpoints.restore(run)


def test_a_training_that_predates_an_option_has_its_default(run):
    config = json.loads((run / "config.json").read_text())
    for name in ("rate", "sampling"):
        del config["options"][name]
    (run / "config.json").write_text(json.dumps(config))
    pipeline = checkpoints.restore(run)
    assert (pipeline.rate_of_bits, pipeline.sampling) == (False, "444")


def test_a_model_is_restored_from_a_checkpoint_of_tensorflow(tmp_path, photograph):
    """The format of earlier versions: a Keras model and its optimizer under a manager."""
    pipeline = checkpoints.build(ljpeg.LJPEG, {"seed": 5})
    model = tf.keras.Model()
    model.scaled_qtables = pipeline.scaled_qtables
    checkpoint = tf.train.Checkpoint(model=model, optimizer=tf.keras.optimizers.Adam())
    tf.train.CheckpointManager(checkpoint, tmp_path, 1).save(checkpoint_number=9)
    config = {"architecture": "ljpeg", "options": {"seed": 0}, "versions": {}, "step": 9}
    checkpoints.write_config(tmp_path, config)
    restored = checkpoints.restore(tmp_path)
    assert encoding.encode(restored, photograph) == encoding.encode(pipeline, photograph)
    other = checkpoints.build(ljpeg.LJPEG, {"seed": 0})
    assert not np.array_equal(other.scaled_qtables, restored.scaled_qtables)


def test_a_folder_may_have_any_name(trained, tmp_path):
    odd = shutil.copytree(trained, tmp_path / "odd [1]* \n \\ ü 🎈 ?")
    expected = checkpoints.restore(trained).scaled_qtables
    np.testing.assert_array_equal(checkpoints.restore(odd).scaled_qtables, expected)
    assert checkpoints.describe(odd) == checkpoints.describe(trained)


# The note


def test_without_its_note_a_checkpoint_is_not_passed_over(run):
    for broken in ("", "model_checkpoint_path: \n", "\x00" * 89):
        (run / "checkpoint").write_text(broken)
        with pytest.raises(UserError) as error:
            checkpoints.newest(run)
        line = 'model_checkpoint_path: "learned_jpeg-3"'
        assert line in str(error.value)
    (run / "checkpoint").unlink()
    with pytest.raises(UserError, match=line):
        checkpoints.restore(run)
    (run / "checkpoint").write_text(line)  # as the error says
    assert checkpoints.newest(run) == run / "learned_jpeg-3"


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_a_missing_file_is_named(run, ending):
    (run / f"learned_jpeg-3.{ending}").unlink()
    for use in (checkpoints.newest, checkpoints.describe, checkpoints.restore):
        with pytest.raises(UserError, match=r"learned_jpeg-3\.\*"):
            use(run)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no trained model here"):
        checkpoints.restore(tmp_path)
    with pytest.raises(UserError, match="no checkpoint here"):
        checkpoints.newest(tmp_path)


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_is_named(run, ending):
    """Changed bytes and cut files give an error, or the saved weights."""
    file = run / f"learned_jpeg-3.{ending}"
    whole, generator = file.read_bytes(), np.random.default_rng(0)
    saved = checkpoints.restore(run).scaled_qtables.numpy()
    pipeline, refused = checkpoints.build(ljpeg.LJPEG, {"seed": 9}), 0
    for number in range(60):
        damaged = bytearray(whole)
        if number % 3:
            damaged[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        else:
            del damaged[generator.integers(len(whole)) :]
        file.write_bytes(damaged)
        try:
            checkpoints.load_weights(pipeline, run)
        except UserError as error:
            assert "learned_jpeg-3: the checkpoint is broken" in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(pipeline.scaled_qtables, saved)
    assert refused > 15


# The digest


def test_the_digest_depends_on_all_that_the_files_depend_on(tmp_path):
    weights = tmp_path / "weights.npz"
    weights.write_text("a")
    folder = fake(tmp_path / "a", lmbda=1, backbone_weights=str(weights))
    digests = [checkpoints.describe(folder)[2]]
    checkpoints.write_config(folder, checkpoints.read_config(folder) | {"step": 8})
    assert checkpoints.describe(folder)[2] == digests[0]
    weights.write_text("b")
    digests.append(checkpoints.describe(folder)[2])
    (folder / "ckpt-7.index").write_text("other")
    digests.append(checkpoints.describe(folder)[2])
    edit_config(folder, lmbda=2)
    digests.append(checkpoints.describe(folder)[2])
    assert len(set(digests)) == 4
    (folder / "notes.txt").write_text("")
    assert checkpoints.describe(folder) == (
        "ljpeg_attention",
        {"lmbda": 2, "backbone_weights": str(weights)},
        digests[-1],
    )
    weights.unlink()
    with pytest.raises(UserError, match=r"weights\.npz"):
        checkpoints.describe(folder)


def test_describing_needs_no_tensorflow(trained):
    script = (
        "import sys\n"
        "from learned_jpeg.models import checkpoints\n"
        "checkpoints.describe(sys.argv[1])\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, trained], check=True)
