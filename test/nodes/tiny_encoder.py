# SPDX-License-Identifier: Apache-2.0
"""Settings with which pages of training are walked."""

# In place of the page's settings: seconds instead of minutes.
TINY = """
model: {feature_dimension: 8, heads: 2, image_size: 32, image_stages: 3, image_cells: 2}
window: {samples: 8, padding: 2}
optimiser: {epochs: 2, batch_size: 8, learning_rate: 1.0e-2}
fusion_layers: 1
imagenet: false
modality_dropout: 0.0
action_weight: 0.0
frame_class_weight: 1.0
"""
