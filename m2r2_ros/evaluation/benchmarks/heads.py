# SPDX-License-Identifier: Apache-2.0
"""What an epoch of training an offline head costs against torch's own layers: `epoch_cost`."""

from m2r2_ros.training.epoch_cost import run

__all__ = ["run"]
