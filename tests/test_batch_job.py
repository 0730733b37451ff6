import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import ljpeg
from learned_jpeg.models import checkpoints

import pytest

SCRIPT = Path(ljpeg.__file__).parent / "batch_job_attention.sh"
LAMBDAS = {
    "0.0005": "lambda_00005",
    "0.001": "lambda_0001",
    "0.0025": "lambda_00025",
    "0.005": "lambda_0005",
    "0.01": "lambda_001",
    "0.02": "lambda_002",
}

# Stands in for python3: notes its arguments, one in a line, then runs the test's code.
STUB = """#!/bin/bash
[[ $* != *--help ]] || {{ {help}; exit; }}
printf '%s\\n' call "$@" >> "$NOTES"
{does}
"""

REAL_HELP = f"'{sys.executable}' \"$@\""
OPTIONS = (
    "last_step batchsize patchsize lr lr_decay lpips_weight total_weight_regularizer backbone "
    "feature_cache cached_crops preprocess_threads seed"
)
HELP = f"echo ' --{OPTIONS.replace(' ', ' X --')} X'"


@pytest.fixture
def job(tmp_path):
    """Runs the script from another folder, with a stub for Python: -> (result, calls)."""

    def run(*arguments, does="", help=HELP, script=SCRIPT, **environment):
        stub, notes = tmp_path / "a stub", tmp_path / "the notes"
        stub.write_text(STUB.format(does=does, help=help))
        stub.chmod(0o755)
        notes.write_text("")
        result = subprocess.run(
            ["/bin/bash", str(script), *arguments],
            cwd=tmp_path,
            env=clean() | {"PYTHON": str(stub), "NOTES": str(notes)} | environment,
            capture_output=True,
            text=True,
        )
        calls = notes.read_text().split("call\n")[1:]
        return result, [call.splitlines() for call in calls]

    return run


def clean():
    return {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG")}


def option(call, name):
    return call[call.index(name) + 1]


def test_trains_every_lambda_into_its_folder(job):
    result, calls = job("experiments/run_1")
    assert result.returncode == 0, result.stderr
    assert [call[0] for call in calls] == [str(SCRIPT.with_name("ljpeg_attention.py"))] * 6
    assert all("train" in call for call in calls)
    trained = {option(call, "--lambda"): option(call, "--checkpoint_dir") for call in calls}
    assert trained == {
        lmbda: f"experiments/run_1/{folder}/train" for lmbda, folder in LAMBDAS.items()
    }
    rest = [[x for x in call if x not in trained and "lambda_" not in x] for call in calls]
    assert rest == [rest[0]] * 6
    # All other options have the defaults of `train`; the features are computed once.
    assert {x for x in rest[0] if x.startswith("--")} == {
        *("--checkpoint_dir", "--lambda", "--train_glob", "--feature_cache")
    }
    assert option(calls[0], "--feature_cache") == "experiments/run_1/features"


def test_the_published_run_is_one_option(job):
    _, calls = job("run", "--published", SEED="3")
    lambdas = [option(call, "--lambda") for call in calls]
    assert lambdas == ["0.001", "0.0025", "0.005", "0.01", "0.05", "0.1"]
    for call in calls:
        assert "--published" in call and "--feature_cache" not in call
        values = {"last_step": "20000", "lr": "1e-6", "lpips_weight": "500", "seed": "3"}
        values["total_weight_regularizer"] = "10"
        assert {name: option(call, f"--{name}") for name in values} == values


def test_a_backbone_that_is_trained_has_no_cache(job):
    for arguments, environment in ((["--train_backbone"], {}), ([], {"FEATURE_CACHE": ""})):
        _, (call, *_) = job("run", *arguments, **environment)
        assert "--feature_cache" not in call and option(call, "--cached_crops") == "0"


def test_every_hyperparameter_can_be_set_from_the_environment(job):
    values = {
        "TRAIN_GLOB": "my photos/*.png",
        "LAST_STEP": "7",
        "BATCHSIZE": "3",
        "PATCHSIZE": "64",
        "LR": "0.5",
        "LR_DECAY": "0.25",
        "LPIPS_WEIGHT": "11",
        "TOTAL_WEIGHT_REGULARIZER": "12",
        "BACKBONE": "vgg19",
        "PREPROCESS_THREADS": "2",
        "SEED": "9",
    }
    _, calls = job("run", LAMBDAS="0.02 0.3", **values)
    assert [option(call, "--lambda") for call in calls] == ["0.02", "0.3"]
    for name, value in values.items():
        assert all(option(call, f"--{name.lower()}") == value for call in calls)


def test_other_architectures_get_the_options_that_they_have(job):
    values = {"LPIPS_WEIGHT": "1", "TOTAL_WEIGHT_REGULARIZER": "2", "BACKBONE": "vgg16"}
    options = {f"--{name.lower()}" for name in [*values, "feature_cache"]}
    for architecture, has in (
        ("google_baseline", set()),
        ("ljpeg", options - {"--backbone", "--feature_cache"}),
        ("ljpeg_attention", options),
    ):
        _, (call, *_) = job("run", help=REAL_HELP, ARCHITECTURE=architecture, **values)
        assert call[0].endswith(f"{architecture}.py")
        assert options & set(call) == has
    result, calls = job("run", ARCHITECTURE="no_such")
    assert (result.returncode, calls) == (2, [])
    assert "ARCHITECTURE" in result.stderr
    result, calls = job("run", help="exit 2", ARCHITECTURE="ljpeg_PIL")
    assert (result.returncode, calls) == (2, [])
    assert "ljpeg_PIL.py has no train" in result.stderr


def test_works_with_spaces_in_paths_and_passes_further_options_on(job, tmp_path):
    _, calls = job(str(tmp_path / "my runs" / "run 1"), "--feature_cache", "a cache")
    assert option(calls[0], "--checkpoint_dir") == f"{tmp_path}/my runs/run 1/lambda_00005/train"
    assert calls[0][-2:] == ["--feature_cache", "a cache"]
    copy = tmp_path / "a project"
    copy.mkdir()
    for name in (SCRIPT.name, "ljpeg_attention.py"):
        shutil.copy(SCRIPT.with_name(name), copy)
    _, calls = job("run", script=copy / SCRIPT.name)
    assert calls[0][0] == str(copy / "ljpeg_attention.py")


def test_stops_at_the_first_failure_with_its_status(job):
    result, calls = job("run", does='[[ "$*" != *lambda_0005/* ]] || exit 7')
    assert result.returncode == 7
    assert [option(call, "--lambda") for call in calls] == ["0.0005", "0.001", "0.0025", "0.005"]


@pytest.mark.parametrize(("index", "lmbda"), list(enumerate(LAMBDAS)))
def test_a_slurm_array_task_trains_its_one_lambda(job, index, lmbda):
    result, calls = job("run", SLURM_ARRAY_TASK_ID=str(index))
    assert result.returncode == 0
    assert [option(call, "--lambda") for call in calls] == [lmbda]


def test_a_slurm_index_without_a_lambda_is_an_error(job):
    result, calls = job("run", SLURM_ARRAY_TASK_ID="6")
    assert (result.returncode, calls) == (2, [])
    assert "--array=0-5" in result.stderr


def test_finds_the_project_from_slurms_copy_of_the_script(job, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    shutil.copy(SCRIPT, spool / "slurm_script")
    submitted = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_SUBMIT_DIR": str(SCRIPT.parent)}
    _, calls = job("run", script=spool / "slurm_script", **submitted)
    assert calls[0][0] == str(SCRIPT.with_name("ljpeg_attention.py"))
    result, calls = job("run", script=spool / "slurm_script")
    assert (result.returncode, calls) == (2, [])
    assert "PROJECT_DIR" in result.stderr


def test_explains_itself(job):
    result, calls = job()
    assert (result.returncode, calls) == (2, [])
    assert "usage: /bin/bash batch_job_attention.sh RUN_FOLDER" in result.stderr
    result, calls = job("--help")
    assert (result.returncode, calls) == (0, [])
    assert "SLURM" in result.stdout.upper()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_training_and_starts_no_other(tmp_path, number, status):
    stub, notes = tmp_path / "stub", tmp_path / "notes"
    stub.write_text(
        "#!/bin/bash\n"
        "[[ $* != *--help ]] || exit 0\n"
        f"trap 'echo stopped >> {notes}; exit 0' TERM\n"  # saves and ends well
        f"echo started >> {notes}\n"
        "while true; do sleep 0.05; done\n"
    )
    stub.chmod(0o755)
    process = subprocess.Popen(
        ["/bin/bash", str(SCRIPT), "run"],
        cwd=tmp_path,
        env=clean() | {"PYTHON": str(stub)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not notes.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=20) == status
    assert notes.read_text().split() == ["started", "stopped"]


def test_shellcheck_finds_nothing():
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("shellcheck is not installed")
    result = subprocess.run([program, str(SCRIPT)], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_what_it_trains_is_a_run(job, photos, tmp_path, monkeypatch):
    settings = {
        "ARCHITECTURE": "ljpeg",
        "LAMBDAS": "0.01",
        "TRAIN_GLOB": str(photos / "*.png"),
        "LAST_STEP": "2",
        "BATCHSIZE": "1",
        "PATCHSIZE": "16",
        "LPIPS_WEIGHT": "0",
    }
    _, [(_, *arguments)] = job("runs/run_1", help=REAL_HELP, **settings)
    monkeypatch.chdir(tmp_path)
    assert ljpeg.main(arguments) == 0
    architecture, *_ = checkpoints.describe(tmp_path / "runs/run_1/lambda_001/train")
    assert architecture == "ljpeg"
