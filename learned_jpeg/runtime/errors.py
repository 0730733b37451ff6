"""The exceptions that are meant for the user."""


class UserError(ValueError):
    """A mistake that the user can mend: the message names the file or option and what to do."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C where threads still work on what is not wanted any more and need not be waited for."""


class RunError(UserError):
    """A mistake that comes up at one file and ends the run of all."""
