"""The exceptions whose message a user reads."""

from learned_jpeg import api
from learned_jpeg.runtime.errors import UserError

import pytest


def test_there_is_one_of_them_and_it_says_what_it_was_given():
    assert api.UserError is UserError
    with pytest.raises(ValueError, match="^photo.png: broken$"):
        raise UserError("photo.png: broken")
