#!/usr/bin/env bash
# Trains the runs of this folder; README.md says what they are. From the project's folder:
#
#   TRAIN_GLOB="photos/*.png" VALID_GLOB="others/*.png" bash example_experiments/train.sh [RUN ...]
#
# Every run goes from the highest lambda to the lowest, each starting from the one before: an entry
# of a table rises easily, but one that has passed what the images hold has no gradient to come back.
# Each lambda ends with steps at a small learning rate, and its checkpoint without optimizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${TRAIN_GLOB:?the training photographs}" "${VALID_GLOB:?the photographs of the validation loss}"
: "${FEATURES:=features}" "${OUT:=example_experiments}" "${PYTHON:=python3}"
export TRAIN_GLOB PYTHON

# chain RUN FIRST NEXT SETTLE LR SMALL_LR LAMBDA ... -- OPTION ...: steps of the first lambda, of the
# next ones, and at the small learning rate; both rates
chain() {
  local run=$OUT/$1 steps=$2 next=$3 settle=$4 lr=$5 small=$6 lambda
  shift 6
  local lambdas=()
  while [[ $1 != -- ]]; do
    lambdas+=("$1")
    shift
  done
  shift
  for lambda in "${lambdas[@]}"; do
    LAMBDAS=$lambda LR=$lr LAST_STEP=$steps bash batch_job_attention.sh "$run" \
      --valid_glob "$VALID_GLOB" "${previous[@]}" "$@"
    LAMBDAS=$lambda LR=$small LAST_STEP=$((steps + settle)) bash batch_job_attention.sh "$run" \
      --valid_glob "$VALID_GLOB" "${previous[@]}" "$@"
    previous=(--init_checkpoint "$run/lambda_${lambda//./}/train")
    "$PYTHON" -c 'import sys, training; training.strip(sys.argv[1])' "${previous[1]}"
    steps=$next
  done
}

learned() {
  local run=$1 architecture=$2 lpips=$3 schedule=(2000 800 400 1e-3 1e-5)
  shift 3
  previous=()
  if ((lpips > 0)); then
    # The gradient of LPIPS is noisier: at higher rates the tables wander off.
    schedule=(700 300 200 1e-4 1e-5)
    previous=(--init_checkpoint "$OUT/attention_learned_q_w10_scale1e-5/lambda_01/train")
  fi
  ARCHITECTURE=$architecture LPIPS_WEIGHT=$lpips TOTAL_WEIGHT_REGULARIZER=10 PATCHSIZE=128 \
    chain "$run" "${schedule[@]}" 0.1 0.05 0.01 0.005 0.0025 0.001 -- "$@"
}

attention() {
  learned "$1" ljpeg_attention "$2" --feature_cache "$FEATURES"
}

if (($# == 0)); then
  set -- learned_q_w10 attention_learned_q_w10_scale1e-5{,_lpips500,_lpips5000} \
    google_baseline_lr_1e-5
fi
for run in "$@"; do
  case $run in
    learned_q_w10) learned "$run" ljpeg 0 ;;
    attention_learned_q_w10_scale1e-5) attention "$run" 0 ;;
    attention_learned_q_w10_scale1e-5_lpips500) attention "$run" 500 ;;
    attention_learned_q_w10_scale1e-5_lpips5000) attention "$run" 5000 ;;
    google_baseline_lr_1e-5)
      previous=()
      ARCHITECTURE=google_baseline PATCHSIZE=64 \
        chain "$run" 400 400 29 1e-4 1e-5 0.005 -- --max_noise 0
      ;;
    *)
      echo "error: no run $run" >&2
      exit 2
      ;;
  esac
done
