# SPDX-License-Identifier: Apache-2.0
"""One benchmark a file; each has `run(Options) -> dict`, ready for JSON."""
