"""Reading any picture: its samples, colours and metadata."""
