# SPDX-License-Identifier: Apache-2.0
"""Labels as other tools keep them: each file of `formats` is one form, under the file's name."""
