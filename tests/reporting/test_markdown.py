"""Markdown of data cards as HTML."""

from fernas.reporting._markdown import to_html


def test_markdown_of_cards() -> None:
    html = str(
        to_html(
            "# A & B\ntext `x<y` **bold** https://example.org/a.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |"
        )
    )
    assert "<h4>A &amp; B</h4>" in html and "<code>x&lt;y</code>" in html and "<strong>bold</strong>" in html
    assert 'href="https://example.org/a"' in html and html.count("<li>") == 2 and "<td>2</td>" in html
