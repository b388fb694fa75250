"""JSON Lines and workbooks."""

from __future__ import annotations

import datetime as dt

from tests.support.book_files import changed, chosen, xlsx
from tests.support.reading_cases.case import (
    DUNE,
    MADE_A_DATE,
    NEUROMANCER,
    Case,
    lines,
)

JSON_LINES = {
    "JSON Lines": Case(
        lines(
            {"title": "A", "authors": ["Simon & Schuster", "B;C"], "published_year": 98, "copies": 2},
            {"title": "B", "isbn": None, "authors": "C;D"},
            {"title": "C", "isbn": "0441569595"},
        ),
        ["1 A | Simon & Schuster/B;C | 98 | 2", "2 B | C/D", f"3 C | {NEUROMANCER}"],
        [],
    ),
    "JSON Lines with other keys": Case(
        lines({"Title": "A", "Author": "B", "pages": 5.0}), ["1 A | B | 5"], is_guess=True
    ),
    "JSON Lines with two forms of an ISBN": Case(
        lines({"title": "A", "isbn": [NEUROMANCER, "0441569595"]}), [f"1 A | {NEUROMANCER}"], []
    ),
    "JSON Lines with bad lines": Case(
        b'{"title": "A"}\n{"title": "B"\n[1]\n{"title": {"x": 1}}\n{"title": "C", "title": "D"}\n'
        b'{"title": "\\ud83d"}\n',
        [
            "1 A",
            "2! row: is not a line of JSON Lines (Expecting ',' delimiter, character 14)",
            "3! row: is not a line of JSON Lines (it is not an object)",
            '4! row: has a value for "title" that is not a text, a number or a list of texts',
            "5! row: is not a line of JSON Lines (a key comes twice)",
            "6! row: is not a line of JSON Lines (it has half a character, \\ud83d or the like)",
        ],
        [],
    ),
    "JSON Lines with halves of characters": Case(
        b'{"title": "A \\ud83d\\ude00"}\n{"title": "B\\ud800"}\n{"title": "C", "authors": ["\\udfff"]}\n'
        b'{"title": "D", "\\ud800": ""}\n{"title": "E", "isbn": "\\ud800"}\n{"title": "F"}\n',
        [
            "1 A \U0001f600",
            *(
                f"{line}! row: is not a line of JSON Lines (it has half a character, \\ud83d or the like)"
                for line in range(2, 6)
            ),
            "6 F",
        ],
        [],
    ),
    "JSON Lines with keys that come late": Case(
        b'{"title":"A"}\n' * 5_000 + b'{"title":"B","isbn":""}\n{"title":"C","copies":2}\n{"title":"D","x":1}\n',
        [
            *(f"{line} A" for line in range(1, 5_001)),
            *("5001 B", "5002 C | 2", '5003! row: has the unknown key "x", which the first lines do not have'),
        ],
        [],
    ),
}

WORKBOOKS = {
    "workbook": Case(
        xlsx(
            ["Title", "Author", "ISBN", "Year", "Pages"],
            ["Neuromancer", "William Gibson", 441569595, dt.date(1984, 7, 1), 271.0],
            [None, None],
            [1984, "George Orwell", "0-452-28423-6", 1949, None],
        ),
        [
            f"2 Neuromancer | William Gibson | {NEUROMANCER} | 271 | 1984",
            "4 1984 | George Orwell | 9780452284234 | 1949",
        ],
        is_guess=True,
        remarks=(
            "ISBNs that had lost zeros at their beginning were completed: 1 (line 2: 441569595 was read as 0441569595)",
        ),
    ),
    "workbook with exact names": Case(xlsx(["title", "isbn"], ["Dune", int(DUNE)]), [f"2 Dune | {DUNE}"], []),
    "workbook with several sheets": Case(
        xlsx(sheet="Empty", Books=[["title"], ["Dune"]], Loans=[["who"], ["Ada"]]),
        ["2 Dune"],
        ['only the sheet "Books" is read; --sheet chooses another one: "Loans"', '"title" is title: "Dune"'],
        is_guess=True,
    ),
    "workbook with a sheet that is named": Case(
        xlsx(["who"], ["Ada"], Books=[["title"], ["Dune"]]), ["2 Dune"], [], choices=chosen(sheet="books")
    ),
    "workbook with the number of a sheet": Case(
        xlsx(["who"], ["Ada"], Books=[["title"], ["Dune"]]), ["2 Dune"], [], choices=chosen(sheet="2")
    ),
    "workbook without headings": Case(
        xlsx(["Dune", int(DUNE)]), [f"1 Dune | {DUNE}"], [], choices=chosen(columns=("title", "isbn"))
    ),
    "workbook with formulas that were never computed": Case(
        xlsx(["title", "isbn"], ["Dune", '="0441569595"'], ["Emma", ""]),
        ["2! row: has a formula without a value in B2; open the file in a spreadsheet program and save it", "3 Emma"],
        [],
    ),
    "workbook with formulas whose value is an empty text": Case(
        changed(
            xlsx(["title", "isbn"]),
            sheet1=lambda xml: xml.replace(
                b"</sheetData>",
                b"<row><c t='str'><f>D1</f><v>Emma</v></c><c t='str'><f>E1</f><v></v></c></row></sheetData>",
            ),
        ),
        ["2 Emma"],
        [],
    ),
    "workbook with dates in the place of texts": Case(
        xlsx(
            ["title", "authors", "published_year"],
            [dt.date(1963, 11, 22), "Stephen King", dt.date(2011, 11, 8)],
            ["Emma", dt.time(9, 30), 1815],
        ),
        [
            f"2! title: '1963-11-22': {MADE_A_DATE}",
            f"3! authors: '09:30:00': {MADE_A_DATE}",
        ],
        [],
    ),
    "workbook with hidden rows and merged cells": Case(
        changed(
            xlsx(["title", "authors"], ["Dune", "Herbert"], ["Emma", None]),
            sheet1=lambda xml: xml.replace(b'<row r="3"', b'<row hidden="1" r="3"').replace(
                b"</sheetData>",
                b'</sheetData><mergeCells count="2"><mergeCell ref="A1:B1"/><mergeCell ref="B2:B3"/></mergeCells>',
            ),
        ),
        ["2 Dune | Herbert", "3 Emma"],
        [
            "hidden rows are read like others: 1, the first one is row 3",
            "of merged cells, only the first one has the value: B2:B3",
            '"title" is title: "Dune", "Emma"',
            '"authors" is authors: "Herbert"',
        ],
        is_guess=True,
    ),
    "workbook whose first sheet is hidden": Case(
        changed(
            xlsx(["title"], ["Old"], Books=[["title"], ["Dune"]]),
            workbook=lambda xml: xml.replace(b'state="visible"', b'state="hidden"', 1),
        ),
        ["2 Dune"],
        ['only the sheet "Books" is read; --sheet chooses another one: "Sheet"', '"title" is title: "Dune"'],
        is_guess=True,
    ),
    "workbook with a value behind the columns": Case(
        xlsx(["title"], *(["Emma"] for _ in range(200)), ["Dune", "x"]),
        [
            *(f"{line} Emma" for line in range(2, 202)),
            "202! row: has a value in cell B202, a column without a heading",
        ],
    ),
}
