"""Text that comes from elsewhere, as it is written into each kind of file: what it says, and nothing to obey."""

import re

LINK = r"\](?=[(\[:])|(?<=:)/(?=/)|(?<=www)\."  # what makes a link of what stands around it
MARKS = rf"[\\`|<&*~$]|(?<![^\W_])_|_(?![^\W_])|{LINK}"  # an underscore within a word is one in Markdown too


def printable(text: str) -> str:
    """The text on one line: white space of any kind is a space, and what cannot be shown is named by its number."""
    return "".join(one if one.isprintable() else " " if one.isspace() else _number(one) for one in text)


def _number(character: str) -> str:
    return character.encode("unicode_escape").decode()


def docstring(text: str) -> str:
    """The text for a docstring between three double quotes, which says the same once Python has read it."""
    return printable(text.replace("\\", r"\\").replace('"', r"\""))


def literal(text: str) -> str:
    """A string in Python, between double quotes unless there are some in it, as ruff would have it."""
    return repr(text) if '"' in text else '"' + repr("'" + text)[2:]


def markdown(text: str) -> str:
    """The text for a line of Markdown or a cell of a table: no mark-up, link, HTML or comment begins or ends in it."""
    return re.sub(MARKS, lambda found: f"&#{ord(found[0])};", printable(text))


def markdown_code(text: str) -> str:
    """The text as code in Markdown."""
    simple = text.isprintable() and re.fullmatch(r"\w(?:[^`|<\\]*\w)?", text)
    return f"`{text}`" if simple else f"<code>{markdown(text)}</code>"
