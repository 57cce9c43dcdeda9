"""Directions of descent: Newton's, from a dense matrix or by conjugate gradients, with or without an l1 penalty."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotrs

Array = NDArray[np.float64]

DENSE = 600
"""Up to this many features the second-order matrix is formed and factored."""

SWEEPS = 40


class Cholesky:
    """H^-1 of a positive definite H, without the looks at it that cost more than a small factorisation.

    The factor is written over H.
    """

    def __init__(self, H: Array) -> None:
        self.factor, wrong = dpotrf(H.T, lower=1, overwrite_a=1)  # its transpose, which it equals, lies as LAPACK likes
        if wrong:
            raise LinAlgError("not positive definite")

    def __call__(self, g: Array) -> Array:
        return np.asarray(dpotrs(self.factor, g, lower=1)[0])


def solve(H: Array, g: Array, ridge: float) -> Array:
    """-(H + ridge)^-1 g, with as much more ridge as the factorisation needs."""
    n = len(H)
    for _ in range(12):
        try:
            step = Cholesky(H + ridge * np.eye(n))(-g)
            if np.isfinite(step).all():
                return step
        except LinAlgError:
            pass
        ridge = 10 * ridge + np.finfo(float).tiny
    return np.asarray(np.linalg.lstsq(H + ridge * np.eye(n), -g, rcond=None)[0])


class Shortest:
    """(H + ridge)^-1, for several g; but where features are collinear, parts of g up to noise are taken for rounding.

    They move nothing: among equally good coefficients that leads to the shortest, whatever the order of the sums.
    """

    def __init__(self, H: Array, ridge: float, noise: float) -> None:
        self.ridge, self.noise = ridge, noise
        try:
            self.solve = Cholesky(H + ridge * np.eye(len(H)))
            diagonal = np.diag(self.solve.factor)
            self.regular = bool(diagonal.min() ** 2 > max(1e-8 * diagonal.max() ** 2, 100 * ridge))
        except LinAlgError:
            self.regular = False
        if not self.regular:
            self.values, self.vectors = np.linalg.eigh(H)

    def __call__(self, g: Array) -> Array:
        if self.regular:
            return self.solve(g)
        part = self.vectors.T @ g
        part[np.abs(part) <= self.noise] = 0.0
        values = np.maximum(self.values, 0.0) + self.ridge
        return np.asarray(self.vectors @ (part / values.reshape(-1, *[1] * (g.ndim - 1))))


def sparse_step(H: Array, g: Array, u: Array, l1: Array) -> Array:
    """argmin over z of g (z - u) + (z - u) H (z - u) / 2 + l1 |z|, less u: by coordinates, finished exactly.

    When a sweep leaves the signs as they were, and every few sweeps, the linear system of these signs is solved. Where
    the solution keeps the signs and no coordinate at zero wants to leave, it is the answer; else as much of the way to
    it is gone as makes things better.
    """
    z, r = u.copy(), g.copy()  # r = g + H (z - u)
    bends = zip(H.diagonal().tolist(), l1.tolist(), strict=True)
    each = [(j, bend, penalty / bend) for j, (bend, penalty) in enumerate(bends) if bend]
    signs = np.sign(z)
    for sweep in range(1, SWEEPS + 1):
        for j, bend, held in each:
            old = z.item(j)
            target = old - r.item(j) / bend
            new = target - held if target > held else target + held if target < -held else 0.0
            if new != old:
                r += H[j] * (new - old)
                z[j] = new
        before, signs = signs, np.sign(z)
        if sweep % 5 and not np.array_equal(signs, before):
            continue
        exact, done = _with_signs(H, g, u, l1, z)
        if done:
            return np.asarray(exact - u)
        here = float((r + g) @ (z - u)) / 2 + float(l1 @ np.abs(z))
        for share in 0.5 ** np.arange(6):
            moved = z + share * (exact - z)
            moved = np.where((np.sign(moved) == np.sign(z)) | (l1 == 0), moved, 0.0)
            r_moved = g + H @ (moved - u)
            if float((r_moved + g) @ (moved - u)) / 2 + float(l1 @ np.abs(moved)) < here:
                z, r = moved, r_moved
                break
    return np.asarray(z - u)


def _with_signs(H: Array, g: Array, u: Array, l1: Array, z: Array) -> tuple[Array, bool]:
    """The minimum among points with the signs of z, if signs were no constraint; whether it is the minimum of all."""
    on = (z != 0) | (l1 == 0)
    # On the coordinates that are on: g + H (z - u) + l1 sign = 0, those that are off held at 0.
    step = np.where(on, 0.0, -u)
    wanted = (g + H @ step)[on] + l1[on] * np.sign(z[on])
    step[on] = solve(H[np.ix_(on, on)], wanted, 0.0)
    exact = np.where(on, u + step, 0.0)
    kept = np.sign(exact[on]) == np.sign(z[on])
    slack = np.abs(g + H @ (exact - u))[~on] - l1[~on]
    return exact, bool((kept | (l1[on] == 0)).all() and (slack <= 1e-12 * l1[~on]).all())


def conjugate_gradients(
    product: Callable[[Array], Array], g: Array, precondition: Callable[[Array], Array], tolerance: float, limit: int
) -> Array:
    """An approximate solution of product(d) = -g; stops at a direction in which the curvature is not positive."""
    d = np.zeros_like(g)
    r = -g
    z = precondition(r)
    direction = z
    rz = float(np.vdot(r, z))
    target = tolerance**2 * rz
    for _ in range(limit):
        Hd = product(direction)
        bend = float(np.vdot(direction, Hd))
        if bend <= 0 or not np.isfinite(bend):
            return d if d.any() else direction
        length = rz / bend
        d = d + length * direction
        r = r - length * Hd
        z = precondition(r)
        rz_new = float(np.vdot(r, z))
        if rz_new <= target:
            break
        direction = z + rz_new / rz * direction
        rz = rz_new
    return d
