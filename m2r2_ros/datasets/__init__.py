# SPDX-License-Identifier: Apache-2.0
"""Recordings of every form (REASSEMBLE files, bags) and the MS-TCN folder layout of features."""
