# SPDX-License-Identifier: Apache-2.0
"""What the papers' tables take: reproduction, baselines, imitation, and the tables themselves."""
