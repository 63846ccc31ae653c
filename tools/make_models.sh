#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make models/taskboard_compact from nothing: simulate, pretrain, export, extract, train, evaluate.
# Every step goes on where it was interrupted. Takes hours on two cores; see the model card.
set -eu
cd "$(dirname "$0")/.."
m2r2=${M2R2:-.venv/bin/m2r2}
out=out/models
model=models/taskboard_compact
settings=config/training

$m2r2 simulate --out out/data/taskboard --recordings "${RECORDINGS:-40}" --seed 1000
$m2r2 simulate --out out/data/taskboard-test --recordings 8 --seed 9000

$m2r2 pretrain --encoder m2r2 --data out/data/taskboard --out $out/m2r2 \
    --config $settings/m2r2_taskboard.yaml --cache out/cache
$m2r2 export $out/m2r2 --out $model/encoder.onnx

$m2r2 extract out/data/taskboard --test out/data/taskboard-test \
    --encoder $model/encoder.onnx --out $out/features
$m2r2 train --data $out/features --split 1 --head causal --out $out/causal \
    --config $settings/causal_taskboard.yaml
cp $out/causal/head.onnx $model/head.onnx

for labels in coarse fine; do
    $m2r2 evaluate --data $out/features --split 1 --model $model --labels $labels \
        --json $out/scores_$labels.json
done
(cd models && sha256sum taskboard_compact/*.onnx > models.sha256)
