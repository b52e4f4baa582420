"""Which pictures are copies of others: the same file again, stored anew, a little smaller or larger, turned or mirrored.

Every promise counts pictures as independent parts, and a copy is none: where one is taught and another calibrates, thresholds come
out far too low.  So copies are found and count once.  Two exposures of a part that did not move are no copies: each has the noise of
its own moment.  A copy's differences lie where the picture itself has detail, since compression and scaling alter details; noise
differs everywhere, also where a picture is smooth.  (Measured on MVTec AD's bottle and screw, BSData, magnetic tile and light
guide plates, see docs/method.md.)
"""

from __future__ import annotations

import cv2
import numpy as np

COARSE_LIMIT = 0.9
"""Grey levels, root mean square, by which coarse copies may differ; different parts before a fixed camera differ by 1.03 or more."""
COARSE_SHARE = 0.035
"""At most this share of the coarse picture's own contrast, however: of dark or flat pictures different ones are near each other too."""
OFFSET_LIMIT = 2.0
"""Grey levels by which a copy may be brighter or darker as a whole, in each channel."""
CHANGED_LIMIT = 0.12
"""Share of blocks in which a copy may differ by more than its detail: JPEG at quality 75 comes to 0.1, noise of 3 grey levels to 0.5."""
_SIDE = 8  # of a block, px
_DETAIL, _ROUNDING = 1.25, 0.15  # a block is unchanged up to so many times its variance, and grey levels squared
_FEW = 6  # every so-many-th block in each direction is looked at first
_AT_ONCE = 256


def copied_from(images: np.ndarray) -> np.ndarray:
    """int64 (N,): for each image, uint8 (N, S, S, 3), the first one that it is a copy of; its own number where it is none."""
    count = len(images)
    found = np.arange(count)
    coarse = np.stack([_coarse(image) for image in images])
    side = coarse.shape[1]
    offsets = coarse.mean((1, 2))
    shapes = (coarse - offsets[:, None, None]).reshape(count, -1)
    limits = np.minimum(COARSE_LIMIT, COARSE_SHARE * shapes.std(1) + 1e-3)  # a thousandth: rounding of what is the same
    for start in range(0, count, _AT_ONCE):
        block = slice(start, min(start + _AT_ONCE, count))
        apart = np.full((block.stop - start, count), np.inf, np.float32)
        turns = np.zeros(apart.shape, np.int8)
        for turn in range(8):
            turned = np.stack([_turned(one, turn).reshape(-1) for one in shapes[block].reshape(-1, side, side, 3)])
            distance = _distances(turned, shapes)
            nearer = distance < apart - 1e-3  # of a picture that is its own mirror image, unturned
            apart[nearer], turns[nearer] = distance[nearer], turn
        for index in range(block.start, block.stop):
            near = np.flatnonzero((apart[index - start, :index] <= limits[index]) & (found[:index] == np.arange(index))
                                  & (np.abs(offsets[:index] - offsets[index]).max(1) <= OFFSET_LIMIT))
            for other in near[np.argsort(apart[index - start, near], kind="stable")]:
                if _is_copy(_turned(images[index], turns[index - start, other]), images[other]):
                    found[index] = other
                    break
    return found


def joined(parts: np.ndarray | None, copies: np.ndarray, least: int) -> np.ndarray | None:
    """Which part each image shows, int64 (N,), where copies (as :func:`copied_from` gives them) show one: ``parts`` (None: each another)
    joined by them.  Where fewer than ``least`` parts would be left, only copies are joined."""
    if (copies == np.arange(len(copies))).all():
        return parts
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = np.arange(len(copies))
    if parts is not None:
        _, where, inverse = np.unique(parts, return_index=True, return_inverse=True)
        first = where[inverse]
    ones = np.ones(len(copies), np.int8)
    links = sum(coo_array((ones, (np.arange(len(copies)), to)), shape=(len(copies),) * 2) for to in (copies, first))
    count, names = connected_components(links, directed=False)
    return joined(None, copies, 0) if parts is not None and count < least else names.astype(np.int64)


def _coarse(image: np.ndarray) -> np.ndarray:
    """float32 (n, n, 3), n at most 32 and blocks of 8 px at least."""
    side = max(1, min(32, len(image) // _SIDE))
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)


def _turned(image: np.ndarray, turn: int) -> np.ndarray:
    """The square ``image`` in one of its eight positions; 0 is as it is."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)


def _distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Root mean square difference of each row of one to each of the other: (A, D), (B, D) -> (A, B)."""
    squares = (some ** 2).sum(1)[:, None] + (others ** 2).sum(1)[None] - 2 * (some @ others.T)
    return np.sqrt(np.maximum(squares, 0) / some.shape[1])


def _is_copy(image: np.ndarray, other: np.ndarray) -> bool:
    """Whether one differs from the other by no more than its own detail nearly everywhere; both uint8 (S, S, 3)."""
    if np.array_equal(image, other):
        return True
    one, two = _blocks(image), _blocks(other)
    return _changed(one[::_FEW, ::_FEW], two[::_FEW, ::_FEW]) <= 4 * CHANGED_LIMIT and _changed(one, two) <= CHANGED_LIMIT


def _blocks(image: np.ndarray) -> np.ndarray:
    """uint8 (S, S, 3) -> (rows, columns, pixels of a block, 3), a rest at the edge left out."""
    whole = len(image) // _SIDE
    cut = image[:whole * _SIDE, :whole * _SIDE].reshape(whole, _SIDE, whole, _SIDE, 3)
    return cut.transpose(0, 2, 1, 3, 4).reshape(whole, whole, _SIDE * _SIDE, 3)


def _changed(one: np.ndarray, two: np.ndarray) -> float:
    """Share of blocks that differ by more than their detail, as they are or with the whole picture's offset taken off."""
    one, two = one.astype(np.float32), two.astype(np.float32)
    bearable = _DETAIL * np.maximum(one.var(2), two.var(2)).mean(-1) + _ROUNDING
    difference = one - two
    plain, shifted = ((values ** 2).mean((2, 3)) > bearable for values in (difference, difference - difference.mean((0, 1, 2))))
    return float(min(plain.mean(), shifted.mean()))
