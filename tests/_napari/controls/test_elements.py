from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.controls.elements import form_layout, text_label


def test_sentences_that_were_given_too_little_height_get_it_again(qtbot):
    parent, label = QWidget(), text_label("Words that take more than one line of a narrow form. " * 4)
    qtbot.addWidget(parent)
    form_layout(parent).addRow(label)
    parent.resize(200, 400)
    parent.show()
    label.resize(label.width(), 10)
    qtbot.waitUntil(lambda: label.height() >= label.heightForWidth(label.width()), timeout=5_000)
