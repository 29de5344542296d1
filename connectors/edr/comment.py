"""The comment of an action, as it is sent to a vendor: plain text that fits. Pure."""

from __future__ import annotations

#: Characters of a comment, the key included: a few lines of text. Kibana takes 30,000 at most
#: (elastic/kibana, security_solution/common: MAX_RESPONSE_ACTION_COMMENT_LENGTH, MAX_COMMENT_LENGTH); of
#: Defender no limit is documented (https://learn.microsoft.com/defender-endpoint/api/isolate-machine).
LONGEST_COMMENT = 1000

#: A key is 64 hexadecimal digits at most; a longer one is cut.
LONGEST_KEY = 128


def action_comment(comment: str, idempotency_key: str, *, most: int = LONGEST_COMMENT) -> str:
    """The comment with the key in brackets behind it, by which the action is known to be ours.

    Control characters, invisible ones and halves of surrogate pairs become spaces. The comment is cut, never
    the key.

    Args:
        comment: text for a person; may hold what an attacker wrote.
        idempotency_key: tells whose the action is.
        most: characters at most.
    """
    ending = f"[{_plain(idempotency_key)[:LONGEST_KEY]}]"
    room = max(0, most - len(ending) - 1)
    text = _plain(comment)[:room].rstrip()
    return f"{text} {ending}" if text else ending


def _plain(text: str) -> str:
    """The text on one line, of what can be printed."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
