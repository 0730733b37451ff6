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

# strip FOLDER: leaves the weights of a finished training alone
strip() {
  "$PYTHON" -c 'import sys; from learned_jpeg.training import saving; saving.strip(sys.argv[1])' "$1"
}

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
    LAMBDAS=$lambda LR=$lr LAST_STEP=$steps bash batch_job_attention.sh "$run" --settle 0 \
      --valid_glob "$VALID_GLOB" "${previous[@]}" "$@"
    LAMBDAS=$lambda LR=$small LAST_STEP=$((steps + settle)) bash batch_job_attention.sh "$run" \
      --settle 0 --valid_glob "$VALID_GLOB" "${previous[@]}" "$@"
    previous=(--init_checkpoint "$run/lambda_${lambda//./}/train")
    strip "${previous[1]}"
    steps=$next
  done
}

# rdo RUN "TRIES ..." OPTION ...: one model for all rates, trained through the search: stages of so
# many tries, each from what the one before found, on other crops; the options with which they
# differ from the first stand in `stages`; `means` has the stage that a stage's model is averaged with
rdo() {
  local run=$OUT/$1 tries i folder previous=()
  read -ra tries <<<"$2"
  shift 2
  for i in "${!tries[@]}"; do
    folder=${run}_$i/train
    if ((i == ${#tries[@]} - 1)); then
      folder=$run/train
    fi
    # shellcheck disable=SC2086
    "$PYTHON" ljpeg_rdo.py train --train_glob "$TRAIN_GLOB" "$@" --seed "$i" ${stages[i]:-} \
      --evolve "${tries[i]}" --checkpoint_dir "$folder" "${previous[@]}"
    previous=(--init_checkpoint "$folder")
    if [[ ${means[i]:-} ]]; then
      "$PYTHON" - "$folder" "${run}_${means[i]}/train" <<END
import sys
import numpy as np
last, before = (dict(np.load(f"{folder}/model.npz")) for folder in sys.argv[1:])
np.savez(f"{sys.argv[1]}/model.npz", **{name: (last[name] + before[name]) / 2 for name in last})
END
    fi
  done
  strip "$folder"
  rm -rf "${run}"_[0-9] "$folder/evolution.json"
}

# learned RUN ARCHITECTURE LPIPS_WEIGHT FIRST LAMBDAS [OPTION ...]: FIRST is where it starts, or none
learned() {
  local run=$1 architecture=$2 lpips=$3 values=$5 schedule=(2000 800 400 1e-3 1e-5)
  previous=()
  if [[ $4 != none ]]; then
    previous=(--init_checkpoint "$OUT/$4/train")
    # The gradient of LPIPS is noisier and slower.
    schedule=(500 350 200 1e-4 5e-6)
  fi
  shift 5
  if [[ $architecture == ljpeg_attention ]]; then
    set -- "$@" --feature_cache "$FEATURES"
  fi
  # shellcheck disable=SC2086
  ARCHITECTURE=$architecture LPIPS_WEIGHT=$lpips PATCHSIZE=128 \
    chain "$run" "${schedule[@]}" $values -- --rounding mixed "$@"
}

published() {
  TOTAL_WEIGHT_REGULARIZER=10 learned "$1" "$2" "$3" "$4" "0.1 0.05 0.01 0.005 0.0025 0.001" \
    --rate published
}

bits() {
  TOTAL_WEIGHT_REGULARIZER=0.3 learned "$@" --rate bits
}

attention=attention_learned_q_w10_scale1e-5
if (($# == 0)); then
  set -- learned_q_w10 "$attention"{,_lpips500,_lpips5000} \
    learned_bits attention_bits attention_bits_lpips5000 google_baseline_lr_1e-5 \
    rdo_{visual,psnr,lpips}
fi
for run in "$@"; do
  case $run in
    learned_q_w10) published "$run" ljpeg 0 none ;;
    "$attention") published "$run" ljpeg_attention 0 none ;;
    "$attention"_lpips*) published "$run" ljpeg_attention "${run##*_lpips}" "$attention/lambda_01" ;;
    learned_bits | attention_bits)
      architecture=ljpeg
      if [[ $run == attention_bits ]]; then
        architecture=ljpeg_attention
      fi
      bits "$run" $architecture 0 none "0.05"
      bits "$run" $architecture 0 none "0.02 0.01 0.005 0.0025 0.001 0.0005"
      ;;
    attention_bits_lpips5000)
      bits "$run" ljpeg_attention 5000 attention_bits/lambda_002 \
        "0.01 0.005 0.0025 0.001 0.0005 0.00025"
      ;;
    rdo_visual)
      five="--mse_weight 0.15 --ms_ssim_weight 0.2 --butteraugli_weight 0"
      three="--mse_weight 0.2 --ssimulacra2_weight 0.4 --butteraugli_weight 0.4 --seed 10"
      fine="--sampling 444 --against jpegli_444"
      means=([3]=2 [7]=5) stages=(
        "$five --lpips_weight 0.15 --ssimulacra2_weight 0.35 --hvs_weight 0.15"
        "$five --lpips_weight 0.13 --ssimulacra2_weight 0.32 --hvs_weight 0.2"
        "$five --mse_weight 0.16 --ms_ssim_weight 0.19 --lpips_weight 0.1
          --ssimulacra2_weight 0.26 --hvs_weight 0.29"
        "$five --lpips_weight 0.04 --ssimulacra2_weight 0.34 --hvs_weight 0.27"
        "$three" "$three $fine" "--seed 11" "--seed 11 $fine")
      rdo "$run" "266 1000 476 462 195 195 600 600" --against mozjpeg_420
      for _ in 1 2 3; do
        "$PYTHON" benchmarks/responses.py "$TRAIN_GLOB" --model "$OUT/$run/train" --move 0.5
      done
      "$PYTHON" benchmarks/qualities.py "$VALID_GLOB" --model "$OUT/$run/train" --fit
      ;;
    rdo_psnr)
      means=() stages=()
      rdo "$run" "210 476 840" --search psnr --mse_weight 1 --ssimulacra2_weight 0 \
        --butteraugli_weight 0
      ;;
    rdo_lpips)
      means=() stages=("" "--mse_weight 0.07 --lpips_weight 0.93"{,,})
      rdo "$run" "196 252 238 840" --mse_weight 0.1 --lpips_weight 0.9 \
        --ssimulacra2_weight 0 --butteraugli_weight 0
      ;;
    google_baseline_lr_1e-5)
      # Few steps: the loss of other photographs rises again after some hundred (README.md).
      folder=$OUT/$run/start
      "$PYTHON" google_baseline.py --checkpoint_dir "$folder" train --train_glob "$TRAIN_GLOB" \
        --rounding cubic --patchsize 128 --batchsize 2 --seed 7 --settle 1 --last_step 107
      steps=300
      for lambda in 0.005 0.01 0.05; do
        ARCHITECTURE=google_baseline LAMBDAS=$lambda LAST_STEP=$steps bash batch_job_attention.sh \
          "$OUT/$run" --valid_glob "$VALID_GLOB" --bfloat16 --init_checkpoint "$folder"
        folder=$OUT/$run/lambda_0005/train
        steps=200
      done
      for folder in "$OUT/$run"/lambda_*/train; do
        strip "$folder"
      done
      rm -r "$OUT/$run/start"
      ;;
    *)
      echo "error: no run $run" >&2
      exit 2
      ;;
  esac
done
