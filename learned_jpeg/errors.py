"""The one exception that is meant for the user."""


class UserError(ValueError):
    """A mistake that the user can mend: the message names the file or option and what to do."""
