"""Foreign text, escaped for each kind of file, so that nothing in it acts as code, markup or a terminal command."""

import re

_LINK = r"\](?=[(\[:])|(?<=:)/(?=/)|(?<=www)\."  # what turns the text around it into a link
_MARKS = rf"[\\`|<&*~$]|(?<![^\W_])_|_(?![^\W_])|{_LINK}"  # Markdown leaves an underscore within a word alone


def printable(text: str) -> str:
    """The text on one line: any white space becomes a space, any other unprintable character its Python escape."""
    return "".join(one if one.isprintable() else " " if one.isspace() else _number(one) for one in text)


def _number(character: str) -> str:
    return character.encode("unicode_escape").decode()


def docstring(text: str) -> str:
    """The text as the source of a docstring between three double quotes."""
    return printable(text.replace("\\", r"\\").replace('"', r"\""))


def literal(text: str) -> str:
    """The source of a Python string, quoted as ruff does: double quotes, unless the text has some."""
    return repr(text) if '"' in text else '"' + repr("'" + text)[2:]


def markdown(text: str) -> str:
    """The text for a line of Markdown or a cell of a table: no markup, link, HTML or comment begins or ends in it."""
    return re.sub(_MARKS, lambda match: f"&#{ord(match[0])};", printable(text))


def markdown_code(text: str) -> str:
    """The text as code in Markdown."""
    simple = text.isprintable() and re.fullmatch(r"\w(?:[^`|<\\]*\w)?", text)
    return f"`{text}`" if simple else f"<code>{markdown(text)}</code>"
