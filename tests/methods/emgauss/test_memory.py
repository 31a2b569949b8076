from napari_emgauss.methods.emgauss.memory import estimate_memory_bytes
from napari_emgauss.methods.emgauss.setup import prepare


def test_the_memory_estimate_grows_with_the_network_and_the_density(stack):
    base = estimate_memory_bytes(prepare(stack))
    assert estimate_memory_bytes(prepare(stack, spacing_px=1.5)) > base
    wide = estimate_memory_bytes(prepare(stack, field="mlp", mlp_width=512))
    assert wide > estimate_memory_bytes(prepare(stack, field="mlp", mlp_width=64))
