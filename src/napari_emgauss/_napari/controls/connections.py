"""Connections of a widget to signals that outlive it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject


class Connections:
    """Connects, and disconnects everything when the parent is destroyed.

    napari's and psygnal's emitters would otherwise call into a Qt object that is gone. napari's are not kept by
    it: those of layers go before the parent.
    """

    def __init__(self, parent: QObject) -> None:
        self._made: list[tuple[Callable[[], Any], Callable[..., Any]]] = []
        parent.destroyed.connect(self.close)

    def connect(self, signal: Any, slot: Callable[..., Any]) -> None:
        """Connect ``slot`` to a napari or psygnal emitter."""
        signal.connect(slot)
        self._made = [made for made in self._made if made[0]() is not None]
        self._made.append((_reference(signal), slot))

    def disconnect(self, signal: Any) -> None:
        """Undo the connections to ``signal``."""
        for made in [made for made in self._made if made[0]() is signal]:
            self._made.remove(made)
            _undo(*made)

    def close(self) -> None:
        """Undo every connection."""
        while self._made:
            _undo(*self._made.pop())


def _reference(signal: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(signal)
    except TypeError:  # psygnal's know no weak references
        return lambda: signal


def _undo(reference: Callable[[], Any], slot: Callable[..., Any]) -> None:
    signal = reference()
    if signal is None:
        return
    try:
        signal.disconnect(slot)
    except (ValueError, KeyError, RuntimeError, TypeError):  # gone already
        return
