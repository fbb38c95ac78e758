"""The one exception that means 'the input is at fault', with the sentence the user should read."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input, told in one sentence that names the cause and the fix.

    The command line prints the sentence and exits with code 2; a program may catch it as a `ValueError`.
    """
