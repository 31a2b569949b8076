"""Widgets in napari's docks, which end when a dock is closed with its × button."""

from __future__ import annotations

import sys
import weakref
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QEvent, QObject, QSize
from qtpy.QtWidgets import QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import text_label
from napari_emgauss._napari.controls.wheel import WheelGuard
from napari_emgauss._napari.workers.worker import Worker

if TYPE_CHECKING:
    import napari

PLUGIN = "napari-emgauss"
WIDTH_PX = 345
"""Of a dock, where the view needs no more."""


def show_widget(viewer: Any, name: str) -> Any:
    """Show a widget of the plugin on top of the others, and return it; one that is docked already is not made again.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    name
        The widget's name in the menu, under which it is docked: so the menu knows that it is open.
    """
    from npe2 import PluginManager

    manifest = PluginManager.instance().get_manifest(PLUGIN)
    named = f"{name} ({manifest.display_name})"
    docked = viewer.window.dock_widgets
    widget = docked.get(named) or docked.get(f"{name} ({PLUGIN})")
    if widget is None:
        (contribution,) = (each for each in manifest.contributions.widgets or () if each.display_name == name)
        widget = contribution.get_callable()(viewer)
        viewer.window.add_dock_widget(widget, name=named, tabify=True)
    dock: Any = widget.parent()
    dock.show()
    dock.raise_()
    return widget


class DockedWidget(QWidget):
    """A dock widget that is filled as soon as what it needs is loaded, says so until then, and ends with its dock.

    Loading torch takes seconds; they are not spent in the GUI thread.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs: ClassVar[str]
    """Module of the controller."""
    view: Any
    controller: Any
    """Both are there once it is filled."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        EndsWithDock(self)
        if "torch" in sys.modules:
            self.fill()
            return
        self._loading: QWidget | None = text_label("  Loading…")
        self.show_view(self._loading)
        module = self.needs
        self._loader = Worker(self, name="emgauss-loading", draws=False)
        self._loader.submit(lambda: import_module(module), done=lambda _: self._fill_instead())

    @property
    def is_filled(self) -> bool:
        """Whether there is a controller."""
        return hasattr(self, "controller")

    def parts(self) -> tuple[QWidget, Any]:
        """Make view and controller."""
        raise NotImplementedError

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        self.view, self.controller = self.parts()
        self.show_view(self.view)

    def may_end(self) -> bool:
        """Ask before something is lost with the dock or the window."""
        return True

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""

    def sizeHint(self) -> QSize:
        """Ask for no more width than is needed: the canvas is what one looks at."""
        return QSize(max(self.minimumSizeHint().width(), WIDTH_PX), super().sizeHint().height())

    def show_view(self, view: QWidget) -> None:
        """Show ``view`` as all there is."""
        # napari puts empty space below what does not ask for all of the height, and the next view would be below that.
        view.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(view)
        WheelGuard(view)

    def _fill_instead(self) -> None:
        if self._loading is not None:
            self._loading.setParent(None)
            self._loading.deleteLater()
        self._loading = None
        self.fill()


class EndsWithDock(QObject):
    """Destroys a widget once it is taken out of its dock.

    napari's × button destroys the dock but only lets go of the widget, which would live on unseen with its threads,
    timers and connections, kept by the slots it is connected to. The widget's ``leave`` is called just before, while it
    and the viewer are still whole; its ``may_end`` is asked when a person closes the dock or the window.

    It knows the widget as its parent only: a reference would close a circle, and Python's collector takes circles apart
    before Qt's objects in them are destroyed.

    Parameters
    ----------
    widget
        What is docked.
    """

    def __init__(self, widget: DockedWidget) -> None:
        super().__init__(widget)
        widget.installEventFilter(self)

    def _may_end(self) -> bool:
        widget: Any = self.parent()
        return widget is None or bool(widget.may_end())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Wait for the widget to gain or lose its parent, and for the window to be closed."""
        if watched is None or event is None:
            return False
        if isinstance(watched, QMainWindow):
            return event.type() == QEvent.Type.Close and not self._may_close(watched, event)
        if event.type() == QEvent.Type.ParentChange:
            if watched is not self.parent():
                self._attend_to_window(watched)
            elif watched.parent() is None:
                widget: Any = watched
                widget.leave()
                widget.deleteLater()
            else:
                self._attend_to_dock(watched.parent())
        return False

    def _attend_to_dock(self, dock: Any) -> None:
        """Have the dock's × button ask first, and the menu bring it to the front."""
        dock.installEventFilter(self)
        if hasattr(dock, "destroyOnClose"):
            alive = weakref.ref(dock)  # a dock that knew itself would outlive its viewer
            dock.destroyOnClose = lambda: _destroy(alive()) if self._may_end() else None
            dock.setVisible = lambda visible: _show(alive(), visible)
        self._attend_to_window(dock)

    def _attend_to_window(self, dock: QObject) -> None:
        """Have the closing of the window ask first."""
        window: QObject | None = dock
        while window is not None and not isinstance(window, QMainWindow):
            window = window.parent()
        if window is not None:
            window.installEventFilter(self)

    def _may_close(self, window: Any, event: QEvent) -> bool:
        """Ask a person who closes the window or quits; a program that does is not asked."""
        if not (event.spontaneous() or getattr(window, "_quit_app", False)) or self._may_end():
            return True
        window._quit_app = False
        event.ignore()
        return False


def _show(dock: Any, visible: bool) -> None:
    """Show a dock as napari's menu does, and on top of those it shares its place with."""
    type(dock).setVisible(dock, visible)
    if visible:
        dock.raise_()


def _destroy(dock: Any) -> None:
    type(dock).destroyOnClose(dock)
