"""Reading any picture: samples, colours, and the metadata that belongs to it."""
