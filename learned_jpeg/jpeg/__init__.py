"""The JPEG file: constants of the standard, DCT, chroma's geometry, Huffman codes, scans.

A level is a quantized coefficient, a whole number.
"""
