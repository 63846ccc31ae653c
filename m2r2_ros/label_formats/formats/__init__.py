# SPDX-License-Identifier: Apache-2.0
"""Each file defines `FORMAT`, a LabelFormat, and is found by its name."""
