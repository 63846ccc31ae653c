# SPDX-License-Identifier: Apache-2.0
"""Columns of a signal that mean something else than in other recordings: unit, sign, order.

A column's *signature* is what it usually is: quantiles, and its mean at each label. A recording's
is compared with the median of all; where it is unusually unlike, and another unit, sign or order
would make it usual, that is the finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.learning.checks.usual import FEWEST, highest_usual, spread
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import SIGNAL, RecordingProfile

UNIT, SIGN, ORDER = "other unit", "other sign", "other order"
_QUANTILES = np.linspace(0.05, 0.95, 7)
# Entries of a signature may be off by this part of the column's range without a word, and none
# counts for more than so many of its tolerances.
_TOLERANCE, _MOST = 0.05, 10.0
# Mean number of tolerances by which a usual column may be off.
_LEAST = 2.0
# Factor between two units -> what they may be.
_UNITS = {
    1000.0: "milli instead of the whole unit",
    100.0: "centi instead of the whole unit",
    180 / np.pi: "degrees instead of radians",
    9.80665: "newtons instead of kilograms",
}
# How far a factor may be from the nearest of these, and the least that is called a unit.
_NEAR_UNIT, _LEAST_FACTOR = 0.2, 4.0


def changed_columns(
    profiles: Sequence[RecordingProfile],
    classes: Sequence[str],
    rename: Callable[[str], str] = str,
) -> Iterator[Finding]:
    """Of all signals; `rename` gives the classes of labels."""
    labels = {p.name: np.array([rename(label) for label in p.labels]) for p in profiles}
    for stream in dict.fromkeys(name for profile in profiles for name in profile.streams):
        having = [profile for profile in profiles if stream in profile.streams]
        if having[0].streams[stream].kind == SIGNAL and len(having) >= FEWEST:
            yield from _changed(having, stream, classes, labels)


def _changed(
    profiles: Sequence[RecordingProfile],
    stream: str,
    classes: Sequence[str],
    labels: dict[str, np.ndarray],
) -> Iterator[Finding]:
    signatures = [_signature(p.streams[stream].values, labels[p.name], classes) for p in profiles]
    usual = _Usual.of(np.array(signatures))
    own = np.array([usual.unlikeness(signature) for signature in signatures])
    limits = np.array([highest_usual(column, _LEAST) for column in own.T])
    names = profiles[0].streams[stream].columns
    for profile, signature, unlike in zip(profiles, signatures, own, strict=True):
        found = _Compared(signature, usual, limits, np.flatnonzero(unlike > limits), names)
        explained = [*_other_order(found), *_other_sign(found), *_other_unit(found)]
        for kind, text, remedy in explained[:1]:
            yield Finding(kind, f"'{stream}' {text}", remedy, profile.name, stream=stream)


def _signature(values: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Float (D, quantiles + classes) of values (T, D); NaN where there is nothing."""
    nothing = np.full(values.shape[1], np.nan)
    known = np.isfinite(values).all(axis=1)
    values, labels = values[known].astype(float), labels[known]
    if not len(values):
        return np.tile(nothing[:, None], len(_QUANTILES) + len(classes))
    means = [
        values[labels == one].mean(axis=0) if (labels == one).any() else nothing for one in classes
    ]
    return np.array([*np.quantile(values, _QUANTILES, axis=0), *means]).T


def _times(signature: np.ndarray, factor: float) -> np.ndarray:
    """The signature (..., S) of columns times a factor."""
    count = len(_QUANTILES)
    quantiles, means = signature[..., :count], signature[..., count:]
    return factor * np.concatenate([quantiles[..., :: int(np.sign(factor))], means], axis=-1)


def _range(signature: np.ndarray) -> np.ndarray:
    """From the lowest quantile to the highest, of columns (..., S)."""
    return signature[..., len(_QUANTILES) - 1] - signature[..., 0]


@dataclass(frozen=True)
class _Usual:
    """Float (D, S): the median of all recordings' signatures, and what each entry may be off."""

    middle: np.ndarray
    tolerance: np.ndarray

    @classmethod
    def of(cls, signatures: np.ndarray) -> _Usual:
        known = ~np.isnan(signatures).all(axis=0)
        filled = np.where(known, signatures, 0.0)
        middle = np.nanmedian(filled, axis=0)
        least = np.maximum(_TOLERANCE * _range(middle), 1e-6 * np.abs(middle).max(axis=1)) + 1e-12
        tolerance = np.maximum(spread(filled, axis=0), least[:, None])
        return cls(np.where(known, middle, np.nan), tolerance)

    def unlikeness(self, signature: np.ndarray) -> np.ndarray:
        """Float (D,): how many tolerances each column is off."""
        return self._mean(signature - self.middle, self.tolerance)

    def unlike(self, column: np.ndarray, number: int) -> float:
        """The same of a column's signature (S,) in the place of a column."""
        return float(self._mean(column - self.middle[number], self.tolerance[number]))

    @staticmethod
    def _mean(off: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
        """On average over the quantiles, or over the classes if that is more."""
        capped = np.minimum(np.abs(off) / tolerance, _MOST)
        parts = capped[..., : len(_QUANTILES)], capped[..., len(_QUANTILES) :]
        counts = [np.isfinite(part).sum(axis=-1) for part in parts]
        sums = [np.nansum(part, axis=-1) for part in parts]
        return np.maximum(*(s / np.maximum(n, 1) for s, n in zip(sums, counts, strict=True)))


@dataclass(frozen=True)
class _Compared:
    """A recording's signature, and which of its columns, called `names`, are `odd`."""

    signature: np.ndarray
    usual: _Usual
    limits: np.ndarray
    odd: np.ndarray
    names: Sequence[str]

    def unlike(self, column: int, factor: float = 1.0) -> float:
        """How unlike the usual one a column times a factor is."""
        return self.usual.unlike(_times(self.signature[column], factor), column)

    def is_as_wide(self, column: int, factor: float) -> bool:
        """Whether the column's range has grown with the factor, which an offset would not do."""
        own, usual = _range(self.signature[column]), _range(self.usual.middle[column])
        if not own > 0 or not usual > 0:
            return True
        return bool(abs(np.log(own / usual / factor)) < abs(np.log(factor)) / 2)


_Explanation = tuple[str, str, str]


def _other_order(found: _Compared) -> Iterator[_Explanation]:
    """Odd columns that are usual in each other's places."""
    odd, names = found.odd, found.names
    unlike = {(d, e): found.usual.unlike(found.signature[d], e) for d in odd for e in odd}
    places = {d: min(odd, key=lambda e, d=d: unlike[d, e]) for d in odd}
    fits = all(unlike[d, e] <= found.limits[e] for d, e in places.items())
    if len(odd) > 1 and fits and sorted(places.values()) == sorted(places):
        moved = ", ".join(f"{names[d]} holds {names[e]}" for d, e in places.items())
        text = f"has its columns in another order than in the other recordings: {moved}"
        yield ORDER, text, "name the fields or joints in the parameter file in one order"


def _other_sign(found: _Compared) -> Iterator[_Explanation]:
    turned = [
        found.names[d]
        for d in found.odd
        if found.unlike(d, -1.0) <= min(found.limits[d], found.unlike(d) / 3)
    ]
    if turned:
        text = f"has the opposite sign of that in the other recordings: {', '.join(turned)}"
        yield SIGN, text, "see to the frame or the driver, or set `scale` in the parameter file"


def _other_unit(found: _Compared) -> Iterator[_Explanation]:
    columns: dict[str, list[str]] = {}
    for d in found.odd:
        factor, name = _named_factor(_factor(found.signature[d], found.usual.middle[d]))
        is_usual_then = found.unlike(d, 1 / factor) <= found.limits[d]
        is_unit = max(factor, 1 / factor) >= _LEAST_FACTOR and found.is_as_wide(d, factor)
        if is_usual_then and is_unit:
            how = f"{factor:.4g} times as large{name}"
            columns.setdefault(how, []).append(found.names[d])
    for how, named in columns.items():
        text = f"is {how} in comparison with the other recordings: {', '.join(named)}"
        yield UNIT, text, "bring it to one unit: `unit` or `scale` in the parameter file"


def _factor(signature: np.ndarray, usual: np.ndarray) -> float:
    """Least squares, of what is known in both; 1 where nothing tells."""
    known = np.isfinite(signature) & np.isfinite(usual)
    x, y = usual[known], signature[known]
    factor = float(x @ y / (x @ x)) if (x @ x) > 0 else 1.0
    return factor if factor > 0 else 1.0


def _named_factor(factor: float) -> tuple[float, str]:
    for unit, name in _UNITS.items():
        for exact, said in (
            (unit, name),
            (1 / unit, name.replace(" instead of", " expected, not")),
        ):
            if abs(np.log(factor / exact)) < _NEAR_UNIT:
                return exact, f" ({said}?)"
    return factor, ""
