"""The page on this machine: pictures and what becomes of them, compared by eye."""
