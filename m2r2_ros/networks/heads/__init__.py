# SPDX-License-Identifier: Apache-2.0
"""Segmentation heads: features to class and boundary probabilities."""
