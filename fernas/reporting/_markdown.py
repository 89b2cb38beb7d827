"""The little of markdown that data cards use, as escaped HTML: headings, lists, tables, code, bold, links."""

import re

from markupsafe import Markup, escape

INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\"'=])\b(https?://[^\s<>()]+[^\s<>().,;])"), r'<a href="\1" rel="noopener noreferrer">\1</a>'),
)


def to_html(text: str, top_level: int = 4) -> Markup:
    """Markdown -> HTML; every character of the text is escaped first, `# ` becomes `<h{top_level}>`."""
    blocks = [block for block in re.split(r"\n\s*\n", _separated(text.strip())) if block.strip()]
    return Markup("\n").join(_block(block.strip("\n"), top_level) for block in blocks)


def _separated(text: str) -> str:
    """An empty line around headings, so that every block is of one kind."""
    return re.sub(r"(?m)^(#{1,6} .*)$", r"\n\1\n", text)


def _block(block: str, top_level: int) -> Markup:
    lines = block.splitlines()
    heading = re.fullmatch(r"(#{1,6}) (.*)", lines[0])
    if heading and len(lines) == 1:
        level = min(6, top_level + len(heading.group(1)) - 1)
        return Markup(f"<h{level}>{_inline(heading.group(2))}</h{level}>")
    if len(lines) > 1 and lines[0].lstrip().startswith("|") and re.fullmatch(r"[|\s:\-]+", lines[1].strip()):
        return _table(lines)
    if all(re.match(r"\s*[-*] ", line) or line.startswith("  ") for line in lines):
        items = re.split(r"(?m)^\s*[-*] ", block)[1:]
        return Markup("<ul>" + "".join(f"<li>{_inline(' '.join(item.split()))}</li>" for item in items) + "</ul>")
    return Markup(f"<p>{_inline(' '.join(lines))}</p>")


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows[2:])
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="table of the data card">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _inline(text: str) -> str:
    html = str(escape(text.replace("\\|", "|")))
    for pattern, replacement in INLINE:
        html = pattern.sub(replacement, html)
    return html
