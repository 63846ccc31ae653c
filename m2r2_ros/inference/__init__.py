# SPDX-License-Identifier: Apache-2.0
"""Exported graphs, the streaming head and the segment tracker: NumPy and onnxruntime only."""
