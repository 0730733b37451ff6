"""The file: constants of the standard, DCT, chroma's geometry, Huffman codes, scans."""
