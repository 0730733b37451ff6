"""The exceptions whose message a user reads."""


class UserError(ValueError):
    """A mistake that the user can mend: the message names the file or option and what to do."""


class RunError(UserError):
    """A mistake that appears at one file and ends the run for all files."""
