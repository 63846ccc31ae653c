# SPDX-License-Identifier: Apache-2.0
"""Causal resampling of a stream in pieces of any size, with soxr.

soxr's own stream holds output back by up to 40 ms, because it filters in long FFT blocks, though
its filter looks ahead by 5 ms only. So each piece is resampled with enough of the samples before
it, and the output is delayed by the filter's reach: no output depends on later input, and none
depends on how the stream was cut.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import soxr

# Half the length of soxr's "HQ" filter in samples of the slower of the two rates (measured: the
# output changes by less than 1e-6 beyond 84; test_resampling.py holds this).
REACH = 96


class Resampler:
    """Output sample k is the signal at k / output rate - delay. Equal rates pass through."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self.rate_in, self.rate_out = rate_in, rate_out
        # Delay in output samples.
        self.delay = 0 if rate_in == rate_out else -(-REACH * rate_out // min(rate_in, rate_out))
        # Input samples after which the two grids meet again: pieces start there.
        self._period = rate_in // gcd(rate_in, rate_out)

    def first_input(self, output: int) -> int:
        """Index of an input sample, >= 0, from which output sample `output` can be made."""
        if not self.delay:
            return max(0, output - REACH)
        index = (output - 3 * self.delay) * self.rate_in // self.rate_out
        return max(0, index // self._period * self._period)

    def resample(self, samples: np.ndarray, offset: int, first: int, stop: int) -> np.ndarray:
        """Output samples [first, stop), float32, first >= 0.

        samples: float32, the input from index `offset` = first_input(first) up to the time of
        output `stop` (exclusive). Before input sample 0 there was silence.
        """
        if not self.delay:
            return samples[first - offset : stop - offset]
        output = soxr.resample(samples, self.rate_in, self.rate_out, quality="HQ")
        shift = self.delay + offset * self.rate_out // self.rate_in
        silence = np.zeros(max(0, min(stop, shift) - first), np.float32)
        return np.concatenate((silence, output[max(0, first - shift) : max(0, stop - shift)]))
