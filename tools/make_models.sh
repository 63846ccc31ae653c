#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make models/taskboard_compact from nothing: simulate, pretrain, export, extract, train, evaluate.
# Every step goes on where it was interrupted. Takes one to two hours on two cores, most of it the
# simulation; needs the train and sim extras (make setup-dev).
set -eu
cd "$(dirname "$0")/.."
m2r2=${M2R2:-.venv/bin/m2r2}
data=out/data/taskboard
out=out/models
made=$out/taskboard_compact

$m2r2 simulate --out $data --recordings 27 --seed 1000
$m2r2 simulate --out $data-test --recordings 6 --seed 9000

# The head also sees recordings that the encoder was not trained on.
for_encoder=$(seq -f "$data/taskboard-00%.0f.h5" 1000 1015)
# shellcheck disable=SC2086
$m2r2 pretrain --encoder m2r2 --data $for_encoder --out $out/m2r2 --cache out/cache/prepared \
    --config config/training/m2r2_taskboard.yaml
[ -e $made/encoder.onnx ] || $m2r2 export $out/m2r2 --out $made/encoder.onnx

for_head=$(seq -f "$data/taskboard-00%.0f.h5" 1000 1026)
# shellcheck disable=SC2086
$m2r2 extract $for_head --test $data-test --encoder $made/encoder.onnx --out $out/features
$m2r2 train --data $out/features --split 1 --head causal --out $out/causal \
    --config config/training/causal_taskboard.yaml
cp $out/causal/head.onnx $made/head.onnx

for labels in coarse fine; do
    $m2r2 evaluate --data $out/features --split 1 --model $made --labels $labels \
        --json $out/scores_$labels.json
done
cp $made/*.onnx models/taskboard_compact/
(cd models && sha256sum taskboard_compact/*.onnx > models.sha256)
