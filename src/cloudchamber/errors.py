"""The one exception that means 'the input is at fault', with the sentence the user should read, and who raises it."""

__all__ = ["InputError", "require"]


class InputError(ValueError):
    """Bad input, told in one sentence that names the cause and the fix.

    The command line prints the sentence and exits with code 2; a program may catch it as a `ValueError`.
    """


def require(good: bool, sentence: str) -> None:
    """Refuse what a user asks for, unless it is possible.

    Args:
        good: whether it is.
        sentence: names the cause and the fix.

    Raises:
        InputError: if not.
    """
    if not good:
        raise InputError(sentence)
