# SPDX-License-Identifier: Apache-2.0
"""How right a prediction is: metrics, delays, timelines, reports."""
