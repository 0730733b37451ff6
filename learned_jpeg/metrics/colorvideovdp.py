"""ColorVideoVDP, by the package `cvvdp` of its authors.

R. K. Mantiuk and others, ACM Transactions on Graphics 43 (2024). The package needs PyTorch, and
takes hundreds of times as long as the other metrics.
"""


class ColorVideoVDP:
    """The metric against one original, uint8 RGB [H, W, 3].

    The display is the package's standard 4K monitor, with 75 pixels a degree.
    """

    MIN_SIZE = 16

    def __init__(self, original):
        import pycvvdp

        self._original = original
        self._model = pycvvdp.cvvdp(display_name="standard_4k")

    def compare(self, decoded):
        """The figure in (-inf, 10]: 10 less the number of just objectionable differences."""
        quality, _ = self._model.predict(decoded, self._original, dim_order="HWC")
        return float(quality)
