"""README and docs: links, commands, targets, files and method names that they mention exist."""

import re
from pathlib import Path

import pytest
import typer.main

from fernas.cli.app import app
from fernas.study import Study

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def code_of(text: str) -> list[str]:
    """The code of a page: inline spans, and the lines of its blocks."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [*spans, *(line.split(" #")[0] for block in blocks for line in block.splitlines())]


@pytest.mark.parametrize("page", TEXTS)
def test_relative_links_lead_to_files_and_headings(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, heading = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in slugs, f"{page}: {target}"


def test_commands_and_their_options_exist() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    checked = 0
    for page, text in TEXTS.items():
        for line in code_of(text):
            words = line.split()
            if len(words) < 2 or words[0] != "fernas" or not re.fullmatch(r"[a-z-]+", words[1]):
                continue
            command = commands.get(words[1])
            assert command is not None, f"{page}: {line}"
            if hasattr(command, "commands") and len(words) > 2:
                command = command.commands.get(words[2])
                assert command is not None, f"{page}: {line}"
            options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            for word in words[2:]:
                option = re.match(r"--[a-z-]+", word)
                assert option is None or option.group() in {*options, "--help"}, f"{page}: {line}"
            checked += 1
    assert checked > 20


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page, text in TEXTS.items():
        for line in code_of(text):
            for name in re.findall(r"^make ([a-z-]+)", line):
                assert name in targets, f"{page}: {line}"


def test_files_of_the_checkout_exist() -> None:
    folders = "configs|docs|profiles|tools|tests|rules|workflow_scripts|requirements|architectures|studies|envs"
    missing = [
        f"{page}: {name}"
        for page, text in TEXTS.items()
        if page != "CHANGELOG.md"  # it names what is gone
        for span in code_of(text)
        if " -o " not in span and " --out" not in span  # these name a file that the command writes
        for name in re.findall(rf"(?<![\w/.<-])((?:{folders})/[\w./-]*\w)", span)
        if not (ROOT / name).exists()
    ]
    assert missing == []


def test_methods_that_the_readme_lists_are_in_a_shipped_config() -> None:
    listed = TEXTS["README.md"].partition("## What is included")[2].partition("\n## ")[0]
    names = {name for name in re.findall(r"`([a-z_0-9]+)`", listed) if "_" in name or name == "random"}
    shipped = set().union(*(Study.load(ROOT / file).methods for file in ("config.yaml", "configs/full.yaml")))
    assert names and names <= shipped
