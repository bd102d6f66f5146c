"""What the documents say of files, commands, options and columns is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from isactrack import errors
from isactrack.cli.main import COMMANDS, root
from isactrack.recordings import schema

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


def anchors(document: Path) -> set[str]:
    """Return the anchors that the headings of a document get."""
    headings = re.findall(r"^#+ +(.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_resolve(document: Path) -> None:
    dead = []
    text = re.sub(r"<!--.*?-->", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_picture_is_shown_and_every_one_that_is_shown_is_there() -> None:
    shown = {
        (document.parent / link).resolve()
        for document in DOCUMENTS
        for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    }
    assert sorted(shown) == sorted((ROOT / "docs" / "images").iterdir())
    of_the_viewer = [path for path in shown if path.name.startswith(("first-", "state-"))]
    assert len(of_the_viewer) > 5 and max(path.stat().st_size for path in of_the_viewer) < 200_000


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield where and what of each `isactrack` command in the code blocks of the documents."""
    for document in DOCUMENTS:
        inside = False
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                inside = not inside
            elif inside and (match := re.match(r"\s*(?:\S*[/\\])?isactrack +(\w.*)", line)):
                yield f"{document.relative_to(ROOT)}:{number}", shlex.split(match[1], comments=True)


def test_commands_in_the_documents_exist_with_their_options() -> None:
    lines = list(command_lines())
    assert len(lines) >= 10
    context = click.Context(root)
    wrong = []
    for place, (name, *arguments) in lines:
        command = root.get_command(context, name) if name in COMMANDS else None
        while isinstance(command, click.Group) and arguments:
            command = command.get_command(context, arguments.pop(0))
        known = (
            {"--help"} | {option for p in command.params for option in p.opts + p.secondary_opts} if command else set()
        )
        wrong += [f"{place}: {a}" for a in (name, *arguments) if a.startswith("-") and a.partition("=")[0] not in known]
        wrong += [] if command else [f"{place}: {name}"]
    assert wrong == []


def test_the_readme_knows_every_command_and_both_set_up_scripts() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if not re.search(rf"\bisactrack {name}\b", readme)] == []
    scripts = re.findall(r"^bash (tools/\S+)$", readme, flags=re.MULTILINE)
    assert scripts == ["tools/demo.sh", "tools/test.sh"]
    assert all((ROOT / script).is_file() for script in scripts)


def test_the_readme_lists_the_exit_code_of_every_error() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, flags=re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.IsacError)]
    assert listed == {kind.exit_code for kind in kinds} | {0, 2, 130}


def test_the_recording_format_lists_what_the_schema_holds() -> None:
    text = (ROOT / "docs" / "recording-format.md").read_text(encoding="utf-8")
    tables = (
        schema.FRAME_COLUMNS, schema.BLOCK_COLUMNS, schema.TRUTH_COLUMNS, schema.LOSS_COLUMNS, schema.EVENT_COLUMNS,
        schema.SIDE_COLUMNS,
    )  # fmt: skip
    columns = {column.name for table in tables for column in table}
    names = columns | set(schema.SESSION_TYPE.names or ()) | set(schema.POSE_UNITS)
    assert sorted(name for name in names if f"`{name}`" not in text) == []
    assert f"schema version {schema.SCHEMA_VERSION}" in text
    assert re.search(rf"^\| {schema.SCHEMA_VERSION} \|", text, flags=re.MULTILINE)
