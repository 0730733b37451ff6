"""The page of `view`, on this machine: pictures beside their JPEG files, to compare by eye."""
