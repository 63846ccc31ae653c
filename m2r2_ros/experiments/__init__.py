# SPDX-License-Identifier: Apache-2.0
"""The papers' experiments: reproduction, baselines, imitation, and their tables."""
