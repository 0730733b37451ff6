#!/bin/bash
# Makes a run for evaluate.py: trains a model for each lambda, each into its own folder.

# The environment can set each of these options of `train`, for all lambdas.
hyperparameters=(
  LAST_STEP BATCHSIZE PATCHSIZE LR LR_DECAY LPIPS_WEIGHT TOTAL_WEIGHT_REGULARIZER BACKBONE
  FEATURE_CACHE PREPROCESS_THREADS SEED
)
: "${TRAIN_GLOB:=train_images/*.png}"
: "${ARCHITECTURE:=ljpeg_attention}"
: "${PYTHON:=python3}"
case " $* " in
  *" --published "*)
    : "${LAMBDAS:=0.001 0.0025 0.005 0.01 0.05 0.1}"
    : "${LAST_STEP:=20000}" "${LR:=1e-6}" "${LPIPS_WEIGHT:=500}" "${TOTAL_WEIGHT_REGULARIZER:=10}"
    : "${FEATURE_CACHE=}"
    ;;
  *" --train_backbone "*) : "${FEATURE_CACHE=}" ;;
esac
: "${LAMBDAS:=0.0005 0.001 0.0025 0.005 0.01 0.02}"

set -u
read -r -a lambdas <<<"$LAMBDAS"

usage() {
  cat <<EOT
usage: /bin/bash batch_job_attention.sh RUN_FOLDER [TRAIN_OPTION ...]

Trains $ARCHITECTURE for each lambda of
  $LAMBDAS
into RUN_FOLDER/lambda_*/train, so that RUN_FOLDER is a run for evaluate.py.
The script skips finished trainings and continues interrupted trainings.

The environment may set LAMBDAS, TRAIN_GLOB, ARCHITECTURE (a script that trains, for example ljpeg),
PYTHON, and instead of the defaults of "$ARCHITECTURE.py train"
  ${hyperparameters[*]}
Variables without an option of the architecture are ignored. For example:
  TRAIN_GLOB="photos/*.png" LAST_STEP=5000 /bin/bash batch_job_attention.sh experiments/run_1

The features of a frozen network are computed once for all lambdas and kept in FEATURE_CACHE, by
default RUN_FOLDER/features (0.7 GB; FEATURE_CACHE= turns this off). --published trains as the
published runs: 20000 steps at --lr 1e-6, LPIPS weight 500, lambdas from 0.001 to 0.1.

TRAIN_OPTION: further options of "$ARCHITECTURE.py train", for example --sampling 420.

Under Slurm all lambdas train side by side; submit from the project's folder, or set PROJECT_DIR:
  sbatch --array=0-$((${#lambdas[@]} - 1)) batch_job_attention.sh RUN_FOLDER
EOT
}

fail() {
  echo "error: $1" >&2
  exit 2
}

case "${1-}" in
  -h | --help)
    usage
    exit 0
    ;;
  "" | -*)
    usage >&2
    exit 2
    ;;
esac
run_folder=$1
shift
: "${FEATURE_CACHE=$run_folder/features}"

# Slurm runs a copy of this script from its own spool folder.
project=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
if [[ ! -f $project/$ARCHITECTURE.py ]]; then
  project=${PROJECT_DIR:-${SLURM_SUBMIT_DIR:-$project}}
fi
script=$project/$ARCHITECTURE.py
[[ -f $script ]] || fail "$script does not exist; check ARCHITECTURE, or set PROJECT_DIR to the \
folder that holds it"

if [[ -n ${SLURM_ARRAY_TASK_ID-} ]]; then
  lambda=${lambdas[$SLURM_ARRAY_TASK_ID]-}
  [[ -n $lambda ]] || fail "no lambda for SLURM_ARRAY_TASK_ID=$SLURM_ARRAY_TASK_ID; submit with \
--array=0-$((${#lambdas[@]} - 1))"
  lambdas=("$lambda")
fi

options=(--train_glob "$TRAIN_GLOB")
command -v "$PYTHON" >/dev/null || fail "there is no program $PYTHON; set PYTHON, for example to .venv/bin/python3"
known=$("$PYTHON" "$script" train --help) || fail "$ARCHITECTURE.py has no train, or does not start with $PYTHON"
# The hyperparameters that are set and that the architecture has.
for name in "${hyperparameters[@]}"; do
  option=--$(tr '[:upper:]' '[:lower:]' <<<"$name")
  if [[ -n ${!name-} && $known == *" $option "* ]]; then
    options+=("$option" "${!name}")
  fi
done
if [[ -z $FEATURE_CACHE && $known == *" --cached_crops "* ]]; then
  options+=(--cached_crops 0)
fi

# A training that gets a signal saves and ends, and the next training must not start then. A
# training runs in the background, so that a signal to this script is passed on at once.
training=
stop() {
  trap '' INT TERM
  kill -TERM "$training" 2>/dev/null
  wait "$training"
  exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

for lambda in "${lambdas[@]}"; do
  folder=$run_folder/lambda_${lambda//./}/train
  echo "$ARCHITECTURE, lambda $lambda: $folder"
  "$PYTHON" "$script" --checkpoint_dir "$folder" train --lambda "$lambda" "${options[@]}" "$@" &
  training=$!
  wait "$training" || exit
done
