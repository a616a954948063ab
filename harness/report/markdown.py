"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A Markdown table without an end of line, its first `left` columns to the left and the others to the right."""
    lines = [head, (*["---"] * left, *["---:"] * (len(head) - left)), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
