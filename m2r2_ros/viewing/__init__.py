# SPDX-License-Identifier: Apache-2.0
"""A live graph or a recording in Foxglove or Rerun."""
