"""Files that are not understood: nothing of them is imported, and the message explains what to do."""

from __future__ import annotations

import io
from typing import NamedTuple

import pytest

from library_cli.importing.reading.books import Books
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks
from tests.support.book_files import changed, chosen, xlsx

DUNE = "9780441013593"


class Refused(NamedTuple):
    """A file of which nothing is imported, and what the message has."""

    content: bytes
    message_parts: list[str]
    choices: Choices = AS_FOUND


REFUSED = {
    "a column that is not understood": Refused(
        b"Title,Autr,Signatur\nDune,Frank Herbert,A1\nEmma,Jane Austen,A2\n",
        [
            '  "Autr": "Frank Herbert", "Jane Austen"\n  "Signatur": "A1", "A2"\n',
            '  --map "Autr=authors" --ignore "Signatur"\n',
            "The fields are: title,",
        ],
    ),
    "headings with one letter wrong": Refused(
        b"Titles,autors,pubisher\nA,B,C\n", ['--map "Titles=title" --map "autors=authors" --map "pubisher=publisher"']
    ),
    "columns that would take a field twice": Refused(
        b"title,Author,Author l-f,Notes,Review,x,x\nA,B,C,D,E,F,G\n",
        ['--ignore "Author l-f" --map "Notes=description" --ignore "Review" --ignore "#6" --ignore "#7"'],
    ),
    "a column without a heading": Refused(b"title,\nDune,Frank\n", ["column 2, which has no heading", '--ignore "#2"']),
    "headings that a shell would change": Refused(
        b'title,"a ""b""","x\ny",$HOME\nDune,1,2,3\n', ['--ignore "#2" --ignore "#3" --ignore "#4"', '"x y": "2"']
    ),
    "two columns for a field": Refused(
        b"title,Genre,Subject\nDune,SF,Deserts\n",
        ["more than one column 'category'", '--ignore "Genre" or --ignore "Subject"'],
    ),
    "the same heading twice": Refused(
        b"title,isbn,title\nDune,,\n", ["more than one column 'title'", '--ignore "#1" or --ignore "#3"']
    ),
    "two columns of authors": Refused(
        b"title,Author,Authors\nDune,A,B\n",
        [
            "more than one column 'authors'",
            '--ignore "Author" or --ignore "Authors"; or take the authors in all of them with --map',
        ],
    ),
    "headings that are like known ones, and others": Refused(
        b"title;Author/Editor;Place of publication;eISSN;Copy;Published in;Genre / Subject;Author first name\n",
        [
            '--map "Author/Editor=authors" --ignore "Place of publication" --ignore "eISSN" --map "Copy=copies"',
            '--ignore "Published in" --map "Genre / Subject=category" --ignore "Author first name"',
        ],
    ),
    "lines that are in quotes as a whole": Refused(
        b'"title,authors"\n"Dune,F"\n', ['has one column, "title,authors", as whole lines are in quotes; remove']
    ),
    "a workbook whose first sheet has no books": Refused(
        xlsx(["notes"], Books=[["title"], ["Dune"]]),
        ['It was read like this: only the sheet "Sheet" is read; --sheet chooses another one: "Books".'],
    ),
    "a workbook of another variant": Refused(
        changed(
            xlsx(["title"]),
            workbook=lambda xml: xml.replace(
                b"schemas.openxmlformats.org/spreadsheetml/2006/main", b"purl.oclc.org/ooxml/spreadsheetml/main"
            ),
        ),
        ["is a Strict Open XML Spreadsheet; save it as Excel Workbook (.xlsx)"],
    ),
    "HTML that is called .xls": Refused(b"\r\n<html><table><tr><td>title", ["is HTML or XML", "and save it as CSV"]),
    "MARC": Refused(b"00714cam a2200205 a 4500001001300000\x1e", ["has MARC records; import it with --format marc"]),
    "MARCXML": Refused(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<marc:collection xmlns:marc="http://www.loc.gov/MARC21/slim">',
        ["has MARC records in XML; import it with --format marc-xml"],
    ),
    "MARC as lines of text": Refused(b"=LDR  00714cam a2200205 a 4500\n", ["has MARC records as lines of text"]),
    "BibTeX": Refused(b"@book{x,\n title={A},\n}\n", ["is a BibTeX file"]),
    "RIS": Refused(b"TY  - BOOK\nTI  - Dune\n", ["is a RIS file"]),
    "a name above the headings, and another separator": Refused(
        b"Table 1\ntitle;author\nDune;F\n",
        ['A later line looks like them, "title", "author": remove the lines before it'],
    ),
    "no column with the title": Refused(b"Author,ISBN\nA,\n", ["has no column 'title'", '--map "Heading=title"']),
    "no headings": Refused(
        f"Dune,Frank Herbert,{DUNE}\n".encode(), ["has no column 'title' in line 1", "--columns title,authors,isbn"]
    ),
    "a column that --map does not find": Refused(
        b"title,x\nA,\n", ["has no column 'y', which --map names"], chosen(maps=("y=isbn",))
    ),
    "a field that there is not": Refused(
        b"title,x\nA,\n", ["'autr', which --map names, is not a field; did you mean authors?"], chosen(maps=("x=autr",))
    ),
    "a column that --ignore does not find": Refused(
        b"title\nA\n", ["has no column 'x', which --ignore names; it has \"title\""], chosen(ignores=("x",))
    ),
    "--map without a field": Refused(
        b"title,x\nA,\n", ["'x' is not of the form \"Heading=field\""], chosen(maps=("x",))
    ),
    "a column that is mapped and left out": Refused(
        b"title,x\nA,\n", ["name the column 'x' more than once"], chosen(maps=("x=isbn",), ignores=("x",))
    ),
    "--columns without the title": Refused(
        b"A,B\n", ["--columns has no column 'title'"], chosen(columns=("isbn", "-"))
    ),
    "--columns with an unknown field": Refused(
        b"A,B\n",
        ["'publsher', which --columns names, is not a field; did you mean publisher?"],
        chosen(columns=("title", "publsher")),
    ),
    "--columns for a file with headings": Refused(
        b"Title,Author\nA,B\n", ["leave --columns out"], chosen(columns=("title", "authors"))
    ),
    "--columns for a file with headings that are not all known": Refused(
        b"Signatur,Title\nA1,B\n", ["leave --columns out"], chosen(columns=("-", "title"))
    ),
    "--columns for other columns": Refused(
        b"A,B,C\n",
        ['the 2 columns that --columns names: its first line has 3, which are "A", "B", "C"'],
        chosen(columns=("title", "authors")),
    ),
    "lines before the headings": Refused(
        b"My books,,\n,,\nTitle,Author,ISBN\nDune,Frank Herbert,\n",
        ["A later line looks like them", '"Title", "Author"'],
    ),
    "--last-first with commas between authors": Refused(
        b"title\nA\n", ["with --last-first"], chosen(last_first=True, authors_separators=(", ",))
    ),
    "another delimiter than --delimiter": Refused(
        b"title;isbn\nA;\n", ["is separated by ';', not by ','"], chosen(delimiter=",")
    ),
    "another delimiter than in Excel's line": Refused(
        b"sep=;\ntitle\tisbn\nA\t\n", ["is separated by tabs, not by ';'"]
    ),
    "an encoding that there is not": Refused(
        b"title\nA\n", ["'utf-9' is not a known encoding"], chosen(encoding="utf-9")
    ),
    "an encoding that is not one of texts": Refused(b"title\nA\n", ["not a known encoding"], chosen(encoding="rot13")),
    "an encoding that the file is not in": Refused(
        "title\nA\nÉ\n".encode("cp1252"), ["is not UTF-8 text (byte 0xc9 in line 3)"], chosen(encoding="utf-8")
    ),
    "an encoding with the mark of another": Refused(
        "title\n".encode("utf-8-sig"),
        ["begins with the byte order mark of utf-8, so it is not latin-1"],
        chosen(encoding="latin-1"),
    ),
    "a wrong byte in UTF-8": Refused(
        "title\nÉmile\nŒuvre\n".encode() + b"L'\xc9tranger\n", ["is UTF-8 text, but not in line 4 (byte 0xc9)"]
    ),
    "an old workbook": Refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", [".xls", "save it as .xlsx"]),
    "a ZIP archive": Refused(b"PK\x05\x06" + bytes(18), ["is"]),
    "a damaged workbook": Refused(xlsx(["title"], ["A"])[:-200], ["is a damaged Excel workbook"]),
    "a workbook without a value": Refused(xlsx(), ["is empty: no sheet has a value"]),
    "a sheet that there is not": Refused(xlsx(["title"]), ["has no sheet 'x'; it has \"Sheet\""], chosen(sheet="x")),
    "--sheet for a text": Refused(b"title\nA\n", ["is not an Excel workbook"], chosen(sheet="x")),
    "--encoding for a workbook": Refused(
        xlsx(["title"]), ["is an Excel workbook, for which --encoding"], chosen(encoding="utf-8")
    ),
    "a JSON array": Refused(b'[{"title": "A"}]', ["is a JSON array; write one object on each line"]),
    "JSON over several lines": Refused(b'{\n"title": "A"\n}\n', ["each line must be a whole JSON object"]),
    "a delimiter that separates nothing": Refused(b"title\nA\n", ["--delimiter 'ab'"], chosen(delimiter="ab")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(NotBooks) as refusal:
        list(Books(io.BytesIO(REFUSED[name].content), REFUSED[name].choices))
    for part in REFUSED[name].message_parts:
        assert part in str(refusal.value)
    assert "universal-newline" not in str(refusal.value)
