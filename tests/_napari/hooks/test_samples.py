"""Sample data: a real stack that is downloaded."""

import cv2
import numpy as np

from napari_emgauss._napari.hooks import fib25, samples
from napari_emgauss._napari.viewer.layers import from_layer


def test_the_stack_is_anisotropic_and_names_its_authors(server, images):
    (data, attributes, kind), *_ = samples.fib25()
    assert kind == "image"
    expected = [cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED) for image in images.values()]
    assert np.array_equal(data, expected)
    assert attributes["scale"] == (48, 8, 8)
    assert attributes["units"] == ("nm", "nm", "nm")
    attribution = attributes["metadata"]["attribution"]
    assert "Janelia" in attribution["authors"]
    assert "Creative Commons Attribution" in attribution["licence"]
    assert attribution["source"].startswith("https://github.com/janelia-flyem/")
    assert from_layer(data, attributes).metadata["attribution"] == attribution


def test_the_real_list_is_complete_and_pinned_to_a_commit():
    assert len(fib25.FILES) == 42
    assert list(fib25.FILES)[-1] == "iso.2846.png"
    assert all(len(digest) == 64 for digest in fib25.FILES.values())
    assert len(set(fib25.FILES.values())) == 42
    assert fib25.COMMIT in fib25.BASE_URL
