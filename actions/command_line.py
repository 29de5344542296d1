"""Windows command lines, split as Microsoft's C run-time does it.

Rules: https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments. The first token names the
program by convention only: whoever starts a process may leave it out, or write anything there.
"""

from __future__ import annotations

from actions.windows_paths import file_name, normal

_BLANKS = " \t"


def arguments_of(command_line: str | None, image: str) -> tuple[str, ...] | None:
    """The arguments after the program's own name; () when there are none; None when that is not known.

    A command line that does not begin with a program name is all arguments.

    Args:
        command_line: as logged. None, blank and "-" mean: not recorded.
        image: full path of the process, to tell an unquoted program path with spaces from its arguments;
            "" if unknown.
    """
    if command_line is None or command_line.strip() in ("", "-"):
        return None
    text = command_line.strip(_BLANKS)
    return tuple(split_arguments(text[_program_length(text, image) :]))


def split_arguments(text: str) -> list[str]:
    """Split what follows the program's name.

    Blanks separate, quotes hold together, backslashes before a quote escape it or each other.
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in _BLANKS:
            at += 1
            continue
        argument, at = _one_argument(text, at)
        found.append(argument)
    return found


def _one_argument(text: str, at: int) -> tuple[str, int]:
    """The argument that begins at `at`, and where it ends."""
    taken: list[str] = []
    quoted = False
    while at < len(text) and (quoted or text[at] not in _BLANKS):
        if text[at] == "\\":
            end = at
            while end < len(text) and text[end] == "\\":
                end += 1
            count = end - at
            before_quote = end < len(text) and text[end] == '"'
            taken.append("\\" * (count // 2 if before_quote else count))
            at = end
            if before_quote and count % 2:
                taken.append('"')
                at += 1
        elif text[at] == '"':
            if quoted and text[at + 1 : at + 2] == '"':  # a doubled quote inside quotes is one quote
                taken.append('"')
                at += 1
            else:
                quoted = not quoted
            at += 1
        else:
            taken.append(text[at])
            at += 1
    return "".join(taken), at


def _program_length(text: str, image: str) -> int:
    """How many characters at the start name the program; 0 when nothing there does."""
    if text.startswith('"'):
        close = text.find('"', 1)
        return len(text) if close < 0 else _end_of_word(text, close + 1)
    if image and (length := _unquoted_image_length(text, image)):
        return length
    end = _end_of_word(text, 0)
    first = file_name(text[:end]).lower()
    return end if first.endswith((".exe", ".com")) or _names(first, image) else 0


def _unquoted_image_length(text: str, image: str) -> int:
    r"""Length of an unquoted program path, which may hold spaces; 0 when the text begins with none.

    CreateProcess tries `C:\Program.exe`, then `C:\Program Files\x.exe`, and so on; here the image is known.
    """
    wanted = normal(image)
    stem = wanted.removesuffix(".exe")
    end = _end_of_word(text, 0)
    while True:
        candidate = normal(text[:end])
        if candidate in (wanted, stem):
            return end
        if end >= len(text) or end > len(image) + _SPELLING_SLACK:
            return 0
        end = _end_of_word(text, end + 1)


#: Characters by which a spelling of the program's path (`..`, prefixes) may exceed the plain one.
_SPELLING_SLACK = 64


def _names(first: str, image: str) -> bool:
    name = file_name(image).lower()
    return bool(name) and first in (name, name.removesuffix(".exe"))


def _end_of_word(text: str, at: int) -> int:
    while at < len(text) and text[at] not in _BLANKS:
        at += 1
    return at
