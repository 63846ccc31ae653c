# SPDX-License-Identifier: Apache-2.0
"""Metrics, baselines, reports and benchmarks."""
