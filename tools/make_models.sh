#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make models/taskboard_compact and models/roboact_compact from nothing: simulate taskboard-sim v1 and
# a beginner's recordings; pretrain and export by `m2r2 reproduce`; train the causal head that ships on
# both, so that it tells outcomes; score it; train and score RoboAct-CLIP likewise. Every step goes on
# where it was interrupted. `m2r2 reproduce table1` (or table2) with the same --data and --out then
# fills the other rows of the paper's tables from the same encoder and features.
# Needs the train and sim extras (make setup-dev).
#
# From the environment: DATA, OUTCOMES, OUT, MODELS (folders), WORKERS, SEEDS (of the tables' head),
# RECIPE (of `m2r2 simulate`), STAGES (of `m2r2 reproduce --config`).
set -eu
cd "$(dirname "$0")/.."
m2r2=${M2R2:-.venv/bin/m2r2}
data=${DATA:-out/taskboard-sim}
outcomes=${OUTCOMES:-out/taskboard-outcomes}
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
[ -e "$outcomes/manifest.json" ] || $m2r2 simulate --recipe taskboard_outcomes_v1 --out "$outcomes" \
    --workers "$workers"
# Of validation, and the last three of the beginner's, which calibrate what is said of outcomes.
kept="$(find "$data/validation" -name '*.h5' -exec basename {} .h5 \; | sort)
$(find "$outcomes/train" -name '*.h5' -exec basename {} .h5 \; | sort | tail -n 3)"
$m2r2 extract "$data/train" "$data/validation" "$outcomes/train" --test "$data/test" \
    --encoder "$made/encoder.onnx" --out "$made/features" --workers "$workers"
# Unquoted: a word a recording.
$m2r2 train --data "$made/features" --split 1 --head causal --config config/training/causal_taskboard.yaml \
    --out "$made/head" --validation $kept
cp "$made/head/head.onnx" "$made/"
for test in test shifted outcomes; do
    recordings=$data/$test
    [ $test = outcomes ] && recordings=$outcomes/test
    $m2r2 extract "$data/validation" --test "$recordings" --encoder "$made/encoder.onnx" \
        --out "$made/$test" --workers "$workers"
    for labels in coarse fine; do
        $m2r2 evaluate --data "$made/$test" --split 1 --model "$made" --labels $labels \
            --json "$made/${test}_$labels.json" --report "$made/$test.html"
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
