#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make models/taskboard_compact and models/roboact_compact from nothing: simulate taskboard-sim v1;
# pretrain, export, extract and train the causal head by `m2r2 reproduce`; score what ships; train and
# score RoboAct-CLIP likewise. Every step goes on where it was interrupted. `m2r2 reproduce table1` (or table2) with the same --data and --out then fills the other
# rows of the paper's tables from the same encoder and features.
# Needs the train and sim extras (make setup-dev).
#
# From the environment: DATA, OUT, MODELS (folders), WORKERS, SEEDS (of the head; the first one ships),
# RECIPE (of `m2r2 simulate`), STAGES (of `m2r2 reproduce --config`).
set -eu
cd "$(dirname "$0")/.."
m2r2=${M2R2:-.venv/bin/m2r2}
data=${DATA:-out/taskboard-sim}
out=${OUT:-out/v1}
models=${MODELS:-models}
workers=${WORKERS:-2}
seeds=${SEEDS:-0}
stages=${STAGES:-config/reproduce/taskboard_sim.yaml}
name=taskboard_compact
made=$out/$name

[ -e "$data/manifest.json" ] || $m2r2 simulate --recipe "${RECIPE:-taskboard_sim_v1}" --out "$data" \
    --workers "$workers"
$m2r2 reproduce table1 --data "$data" --out "$out" --config "$stages" --workers "$workers" \
    --rows m2r2-causal --seeds "$seeds"

mkdir -p "$made" "$models/$name"
cp "$out/encoders/m2r2/encoder.onnx" "$made/"
cp "$out/heads/m2r2-causal/fine/seed${seeds%%,*}/head.onnx" "$made/"
# Split 1 tests on recordings of the same distribution, split 2 on shifted boards.
for split in 1 2; do
    for labels in coarse fine; do
        $m2r2 evaluate --data "$out/features/m2r2" --split $split --model "$made" --labels $labels \
            --json "$made/split${split}_$labels.json" --report "$made/split$split.html"
    done
done

cp "$made/encoder.onnx" "$made/head.onnx" "$models/$name/"
# Without its text encoder, which is too large to ship: it knows the texts of its training.
$m2r2 reproduce roboact --data "$data" --out "$out/roboact" --workers "$workers" \
    --rows roboact_taskboard --seeds 0
$m2r2 export "$out/roboact/runs/roboact_taskboard/seed0" --out "$out/roboact_compact"
mkdir -p "$models/roboact_compact"
for file in encoder.onnx frame.onnx sentences.npz; do
    cp "$out/roboact_compact/$file" "$models/roboact_compact/"
done
(cd "$models" && sha256sum */*.onnx > models.sha256)
