# SPDX-License-Identifier: Apache-2.0
"""REASSEMBLE recordings, bags, the MS-TCN folder layout and the simulated task board."""
