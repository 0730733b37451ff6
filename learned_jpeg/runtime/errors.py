"""The exceptions whose message a user reads."""


class UserError(ValueError):
    """A mistake that the user can mend: the message names the file or option and what to do."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C while threads still work on results that nobody needs: the process ends at once."""


class RunError(UserError):
    """A mistake that appears at one file and ends the run for all files."""
