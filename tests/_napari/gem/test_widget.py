from napari_emgauss._napari.gem.widget import ParticlesWidget


def test_without_particles_it_says_how_to_open_some_and_trains_nothing(viewer):
    widget = ParticlesWidget(viewer)
    viewer.window.add_dock_widget(widget)
    assert "Open Sample" in widget.view.particles.summary.text()
    assert widget.view.particles.files.isExpanded()
    assert not widget.view.panel.train_button.isEnabled()
    widget.controller.train()
    assert widget.controller.run is None


def test_it_can_be_narrow(widget):
    assert widget.minimumSizeHint().width() < 360
