# SPDX-License-Identifier: Apache-2.0
"""One check of labelled recordings a file; `examination` runs them."""
