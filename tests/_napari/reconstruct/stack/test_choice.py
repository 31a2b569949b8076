import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManager
from qtpy.QtCore import QLocale, Qt

from napari_emgauss._napari.reconstruct.stack.choice import ASK_VOXEL_SIZE, StackChoice
from napari_emgauss._napari.reconstruct.stack.form import StackForm
from napari_emgauss._napari.viewer.layers import LayerPlacement, camera_of
from napari_emgauss._napari.viewer.regions import IN_VIEW, RECTANGLE
from napari_emgauss.errors import VolumeError, VoxelSizeError

WAIT_MS = 180_000


@pytest.fixture
def form(qtbot):
    form = StackForm()
    qtbot.addWidget(form)
    return form


@pytest.fixture
def viewer():
    """Without a window: nothing here needs one."""
    PluginManager.instance().discover()
    return ViewerModel()


@pytest.fixture
def choice(form, viewer):
    return StackChoice(form, viewer)


def test_the_form_follows_layers_as_they_come_go_and_are_renamed(form, choice, viewer, stack_layer):
    assert choice.layer is stack_layer
    other = viewer.add_image(np.zeros((3, 20, 20), np.uint8), name="other")
    assert [form.layers.itemText(i) for i in range(form.layers.count())] == ["stack", "other"]
    assert choice.layer is stack_layer
    stack_layer.name = "renamed"
    assert form.layers.currentText() == "renamed"
    viewer.layers.remove(stack_layer)
    assert choice.layer is other
    viewer.layers.remove(other)
    assert choice.layer is None
    assert "open a stack first" in form.summary.text().lower()


def test_the_voxel_size_comes_from_the_layer_whatever_its_unit(form, choice, stack_layer):
    assert choice.voxel_size_nm == pytest.approx((48, 8, 8))
    assert form.summary.text() == "5 sections of 48 × 40, 48 × 8 × 8 nm, 6× anisotropic → 25 × 48 × 40, 48 kB"


def test_a_layer_in_pixels_is_asked_for_and_given_its_voxel_size(form, choice, viewer):
    layer = viewer.add_image(np.zeros((3, 20, 20), np.uint8), translate=(1, 2, 3))
    assert form.summary.text() == ASK_VOXEL_SIZE
    with pytest.raises(VoxelSizeError):
        choice.volume()
    for box, value in zip(form.voxel, (50, 4, 4), strict=True):
        box.setValue(value)
    assert choice.volume().voxel_size_nm == (50, 4, 4)
    choice.apply_voxel_size()
    assert tuple(layer.scale) == (50, 4, 4)
    assert tuple(layer.translate) == (50, 8, 12)
    assert LayerPlacement.of(layer).nm_per_unit == (1, 1, 1)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_entering_the_voxel_size_changes_nothing_on_the_canvas(form, choice, viewer, order):
    layer = viewer.add_image(np.arange(9 * 40 * 40, dtype=np.uint16).reshape(9, 40, 40), translate=(1, 2, 3))
    viewer.dims.order = order
    viewer.dims.set_current_step(order[0], 6)
    camera = camera_of(viewer)
    camera.center, camera.zoom = (0, 7, 11), 3

    def on_the_canvas():
        axes = list(order[1:])
        return np.array(camera.center[1:]) / layer.scale[axes], camera.zoom * layer.scale[2]

    (middle_px, px), section = on_the_canvas(), layer._slice.image.raw.copy()
    for box, value in zip(form.voxel, (50, 4, 4), strict=True):
        box.setValue(value)
    choice.apply_voxel_size()
    assert on_the_canvas()[0] == pytest.approx(middle_px)
    assert on_the_canvas()[1] == pytest.approx(px)
    assert np.array_equal(layer._slice.image.raw, section)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((20, 20), "2 axes"), ((2, 3, 20, 20), "4 axes"), ((1, 20, 20), "at least 2 sections"), ((4, 8, 8), "16 × 16")],
)
def test_layers_that_are_no_stack_are_explained(form, choice, viewer, shape, words):
    viewer.add_image(np.zeros(shape, np.uint8))
    assert words in form.summary.text()  # whatever is entered, so before it is asked for


def test_colour_is_explained(form, choice, viewer):
    viewer.add_image(np.zeros((4, 20, 20, 3), np.uint8), rgb=True, scale=(4, 4, 4), units=("nm",) * 3)
    assert "RGB" in form.summary.text()


def test_a_rectangle_chooses_its_pixels(form, choice, viewer, stack_layer):
    form.part.setCurrentText(RECTANGLE)
    with pytest.raises(VolumeError, match="draw a rectangle"):
        choice.region()
    t, s = np.asarray(stack_layer.translate), np.asarray(stack_layer.scale)
    corners = np.array([[0, 10, 4], [0, 10, 30], [0, 40, 30], [0, 40, 4]]) * s + t
    viewer.add_shapes([corners], shape_type="rectangle", ndim=3, units=("um",) * 3)
    assert choice.region() == (10, 41, 4, 31)
    volume = choice.volume()
    assert volume.shape == (5, 31, 27)
    assert np.array_equal(volume.section(2), np.asarray(stack_layer.data)[2, 10:41, 4:31])
    assert volume.origin_nm == pytest.approx(((t + s * (0, 10, 4)) * 1000).tolist())


def test_the_part_in_view_lies_within_the_stack(form, choice, viewer, stack_layer):
    viewer.reset_view()
    getattr(viewer, "scene", viewer).camera.zoom *= 4
    form.part.setCurrentText(IN_VIEW)
    y0, y1, x0, x1 = choice.region()
    assert 0 <= y0 < y1 <= 48
    assert 0 <= x0 < x1 <= 40


def test_held_out_sections_keep_away_from_the_ends_and_from_damaged_ones(form, choice, viewer):
    viewer.add_image(np.zeros((12, 20, 20), np.uint8), scale=(50, 4, 4), units=("nm",) * 3)
    form.hold_out_choice.setCurrentText("Every 4th section")
    assert choice.hold_out == (2, 6, 10)
    form.leave_out_edit.setText("7")
    assert choice.hold_out == (2, 10)


def test_double_precision_layers_are_read_as_float32(form, choice, viewer):
    layer = viewer.add_image(np.random.default_rng(0).random((3, 20, 20)), scale=(50, 4, 4), units=("nm",) * 3)
    volume = choice.volume()
    assert volume.dtype == np.float32
    assert np.array_equal(volume.section(1), layer.data[1].astype(np.float32))


@pytest.fixture
def german():
    before = QLocale()
    QLocale.setDefault(QLocale("de_DE"))
    yield
    QLocale.setDefault(before)


def test_a_decimal_point_is_one_in_every_language_and_a_comma_too(german, viewer, qtbot):
    viewer.add_image(np.zeros((5, 20, 20), np.uint8), scale=(48, 4.5, 4.5), units=("nm",) * 3)
    form = StackForm()
    qtbot.addWidget(form)
    choice = StackChoice(form, viewer)
    box = form.voxel[1]
    assert box.text() == "y 4.5"
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert choice.voxel_size_nm == (48, 4.5, 4.5)
    box.selectAll()
    qtbot.keyClicks(box, "3,125")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert choice.voxel_size_nm == (48, 3.125, 4.5)


def test_the_layer_keeps_a_voxel_size_of_many_digits(form, choice, viewer):
    layer = viewer.add_image(np.zeros((5, 20, 20), np.uint8), scale=(40, 4 / 3, 4 / 3), units=("nm",) * 3)
    form.layers.choose(layer)
    choice.apply_voxel_size()
    assert tuple(layer.scale) == (40, 4 / 3, 4 / 3)


def test_the_part_is_looked_at_again_when_the_drawing_or_the_view_changes(form, choice, viewer, stack_layer, qtbot):
    form.part.setCurrentText(RECTANGLE)
    assert "draw a rectangle first" in form.summary.text().lower()
    with qtbot.waitSignal(choice.changed, timeout=WAIT_MS):
        corners = np.array([[0, 0], [0, 30], [20, 30], [20, 0]]) * 0.008 + (1.25, -0.75)
        viewer.add_shapes([corners], shape_type="polygon", units=("um", "um"))
    assert "21 × 31" in form.summary.text()
    form.part.setCurrentText(IN_VIEW)
    summaries = []
    for factor in (1.2, 1.5):
        with qtbot.waitSignal(choice.changed, timeout=WAIT_MS):
            camera_of(viewer).zoom *= factor
        summaries.append(form.summary.text())
        assert form.summary.text() == choice.volume().describe()
    assert summaries[0] != summaries[1]


def test_a_flipped_layer_is_explained(form, choice, viewer, stack_layer):
    stack_layer.scale = stack_layer.scale * np.array((1, -1, 1))
    assert "flipped" in form.summary.text()
    with pytest.raises(VolumeError, match="must be positive"):
        choice.volume()


def test_other_layers_change_nothing_that_was_entered(form, choice, viewer, stack_layer):
    pixels = viewer.add_image(np.zeros((5, 20, 20), np.uint8), name="pixels")
    other = viewer.add_image(np.zeros((5, 20, 20), np.uint8), name="other")
    form.layers.choose(pixels)
    for box, value in zip(form.voxel, (40, 4, 4), strict=True):
        box.setValue(value)
    other.scale = (3, 2, 2)
    assert choice.voxel_size_nm == (40, 4, 4)


def test_a_voxel_size_that_cannot_be_meant_is_questioned_and_not_trained_with(form, choice, viewer):
    viewer.add_image(np.zeros((5, 20, 20), np.uint8))
    for box, value in zip(form.voxel, (0.05, 0.004, 0.004), strict=True):
        box.setValue(value)
    assert "Was it typed in µm? Then it is 50 × 4 × 4 nm." in form.summary.text()
    with pytest.raises(VoxelSizeError, match="typed in µm"):
        choice.volume()
    form.voxel[0].setValue(50)
    form.voxel[1].setValue(4)
    form.voxel[2].setValue(4)
    assert choice.volume().voxel_size_nm == (50, 4, 4)


def test_what_the_file_of_a_layer_says_is_offered(form, choice, viewer, tmp_path, qtbot):
    path = tmp_path / "imagej.tif"
    resolution = (1 / 0.004, 1 / 0.004)
    metadata = {"spacing": 0.05, "unit": "um"}
    tifffile.imwrite(path, np.zeros((5, 20, 20), np.uint8), imagej=True, resolution=resolution, metadata=metadata)
    (layer,) = viewer.open(path, plugin="napari")
    assert tuple(layer.scale) == (1, 1, 1)
    qtbot.waitUntil(lambda: form.voxel[0].value() > 0, timeout=WAIT_MS)
    assert choice.voxel_size_nm == pytest.approx((50, 4, 4))
    assert "50 × 4 × 4 nm" in form.summary.text()


def test_a_size_that_was_typed_once_is_known_when_the_file_is_opened_again(form, choice, viewer, tmp_path, qtbot):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.zeros((5, 20, 20), np.uint8))
    (layer,) = viewer.open(path, plugin="napari")
    for box, value in zip(form.voxel, (45, 5, 5), strict=True):
        box.setValue(value)
    choice.apply_voxel_size()
    viewer.layers.remove(layer)
    viewer.open(path, plugin="napari")
    assert choice.voxel_size_nm == (45, 5, 5)
