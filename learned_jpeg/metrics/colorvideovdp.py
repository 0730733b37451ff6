"""ColorVideoVDP: R. K. Mantiuk and others, ACM Transactions on Graphics 43 (2024), by the authors'
package `cvvdp`, which needs PyTorch: hundreds of times slower than the other metrics."""


class ColorVideoVDP:
    """The metric against one original, on its standard 4K monitor, 75 pixels a degree."""

    MIN_SIZE = 16

    def __init__(self, original):
        import pycvvdp

        self._original = original
        self._model = pycvvdp.cvvdp(display_name="standard_4k")

    def compare(self, decoded):
        """The figure in just objectionable differences below 10, the best."""
        quality, _ = self._model.predict(decoded, self._original, dim_order="HWC")
        return float(quality)
