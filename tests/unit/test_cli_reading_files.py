"""Files of books as people make them: for each, what is shown before anything is written, and what goes in."""

from __future__ import annotations

import codecs
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOutcome
from library_cli.importing.reading import fields
from library_cli.importing.reading.books import Books
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks
from tests.support.book_files import changed, chosen, xlsx
from tests.support.processes import ROOT

DUNE = "9780441013593"
NEUROMANCER = "9780441569595"  # 0-441-56959-5
MADE_A_DATE = "a spreadsheet has made a date of this text; format the cell as text, and type it again"
WHAT_COMMAS_MAY_MEAN = "say --last-first for Last, First, or --authors-separator , for several"
GUESS = (
    'its text is in windows-1252, which is a guess: "Étranger", "À"; '
    "--encoding chooses another one, such as windows-1250, windows-1257, macintosh"
)
SEPARATORS = {",": [], ";": ["this file is separated by ';'"], "\t": ["this file is separated by tabs"]}
SEPARATORS["|"] = ["this file is separated by '|'"]


class Case(NamedTuple):
    """A file, and what is to come of it."""

    content: bytes
    goes_in: list[str]
    """For each row its line, and its values or, after an exclamation mark, the field and the reason at fault."""
    shown: list[str] | None = None
    """What is shown exactly; None where `SHOWN` has it."""
    is_guess: bool = False
    choices: Choices = AS_FOUND
    remarks: tuple[str, ...] = ()


def lines(*objects: dict[str, Any]) -> bytes:
    return "".join(json.dumps(found, ensure_ascii=False) + "\n" for found in objects).encode()


CASES = {
    # Encodings.
    "utf-8": Case("title,authors\nKašpar,Č\n".encode(), ["2 Kašpar | Č"], []),
    "utf-8 with mark": Case("title,authors\nKašpar,Č\n".encode("utf-8-sig"), ["2 Kašpar | Č"], []),
    "utf-16 with mark, as Excel's Unicode Text": Case(
        "title\tauthors\r\nKašpar\tČ\r\n".encode("utf-16"),
        ["2 Kašpar | Č"],
        ["its text is in utf-16-le", "this file is separated by tabs"],
    ),
    "utf-16, big end first": Case(
        codecs.BOM_UTF16_BE + "title\nKašpar\n".encode("utf-16-be"), ["2 Kašpar"], ["its text is in utf-16-be"]
    ),
    "utf-16 without mark": Case("title,isbn\nEmma,\n".encode("utf-16-le"), ["2 Emma"], ["its text is in utf-16-le"]),
    "utf-16-be without mark": Case(b"\0t\0i\0t\0l\0e\0\n\0E\0m\0m\0a\0\n", ["2 Emma"], ["its text is in utf-16-be"]),
    "a zero that is there by mistake": Case(b"title,authors\nA\0,B\nC\0,D\n", ["2 A\0 | B", "3 C\0 | D"], []),
    "zeros by mistake where UTF-16 would have them": Case(b'title,authors\nAAAA,"\0\r\0\n"\n', ["2 AAAA | \0\r\0"], []),
    "utf-32": Case("title\nKašpar\n".encode("utf-32"), ["2 Kašpar"], ["its text is in utf-32-le"]),
    "windows-1252, French": Case(
        "title,authors\nL’Étranger,Albert Camus\nÀ la recherche,Marcel Proust\n".encode("cp1252"),
        ["2 L’Étranger | Albert Camus", "3 À la recherche | Marcel Proust"],
        [
            GUESS,
            '"title" is title: "L’Étranger", "À la recherche"',
            '"authors" is authors: "Albert Camus", "Marcel Proust"',
        ],
        is_guess=True,
    ),
    "windows-1252, one letter": Case("title\nL'Étranger\n".encode("cp1252"), ["2 L'Étranger"], None, is_guess=True),
    "windows-1252, German": Case(
        "title;authors\nDie Blechtrommel;Günter Grass\nÜber Liebe;Jürgen Groß\n".encode("cp1252"),
        ["2 Die Blechtrommel | Günter Grass", "3 Über Liebe | Jürgen Groß"],
        is_guess=True,
    ),
    "latin-1, Spanish": Case(
        "title,authors\nCien años de soledad,Gabriel García Márquez\n".encode("latin-1"),
        ["2 Cien años de soledad | Gabriel García Márquez"],
        is_guess=True,
    ),
    "windows-1250, Polish": Case(
        "title,authors\nWładca Pierścieni,Tolkien\nZażółć gęślą jaźń,Łódź\n".encode("cp1250"),
        ["2 Władca Pierścieni | Tolkien", "3 Zażółć gęślą jaźń | Łódź"],
        is_guess=True,
    ),
    "windows-1251, Russian": Case(
        "title,authors\nВойна и мир,Лев Толстой\nПреступление и наказание,Фёдор Достоевский\n".encode("cp1251"),
        ["2 Война и мир | Лев Толстой", "3 Преступление и наказание | Фёдор Достоевский"],
        is_guess=True,
    ),
    "koi8-r": Case(
        "title,authors\nВойна и мир,Лев Толстой\nПреступление и наказание,Фёдор Достоевский\n".encode("koi8-r"),
        ["2 Война и мир | Лев Толстой", "3 Преступление и наказание | Фёдор Достоевский"],
        is_guess=True,
    ),
    "windows-1253, Greek": Case(
        "title,authors\nΟδύσσεια,Όμηρος\nΒίος και Πολιτεία του Αλέξη Ζορμπά,Νίκος Καζαντζάκης\n".encode("cp1253"),
        ["2 Οδύσσεια | Όμηρος", "3 Βίος και Πολιτεία του Αλέξη Ζορμπά | Νίκος Καζαντζάκης"],
        is_guess=True,
    ),
    "macintosh": Case(
        "title\nL'Étranger\nÀ la recherche du temps perdu\nCrème brûlée\n".encode("mac-roman"),
        ["2 L'Étranger", "3 À la recherche du temps perdu", "4 Crème brûlée"],
        is_guess=True,
    ),
    "shift_jis": Case(
        "title,authors\n雪国,川端康成\nこころ,夏目漱石\nノルウェイの森,村上春樹\n".encode("shift_jis"),
        ["2 雪国 | 川端康成", "3 こころ | 夏目漱石", "4 ノルウェイの森 | 村上春樹"],
        is_guess=True,
    ),
    "an encoding that is named": Case(
        "title\nKürk\nYaşar Kemal\n".encode("cp1254"),
        ["2 Kürk", "3 Yaşar Kemal"],
        ["its text is in windows-1254"],
        choices=chosen(encoding="windows-1254"),
    ),
    "a first letter outside ASCII far from the beginning": Case(
        b"title\n" + b"Emma\n" * 14_000 + "L'Étranger\n".encode("cp1252"),
        [*(f"{line} Emma" for line in range(2, 14_002)), "14002 L'Étranger"],
        is_guess=True,
    ),
    # Separators and line ends.
    **{
        f"separated by {separator!r}, lines end with {end!r}": Case(
            f"title{separator}authors{separator}isbn{end}Dune{separator}Frank Herbert{separator}{DUNE}{end}"
            f'"A{separator}B"{separator}{separator}{end}'.encode(),
            [f"2 Dune | Frank Herbert | {DUNE}", f"3 A{separator}B"],
            shown,
        )
        for separator, shown in SEPARATORS.items()
        for end in ("\n", "\r\n", "\r")
    },
    "Excel's line with the separator": Case(
        f"sep=;\r\ntitle;isbn\r\nDune;{DUNE}\r\n".encode(), [f"3 Dune | {DUNE}"], ["this file is separated by ';'"]
    ),
    "Excel's line with a separator that is not seen elsewhere": Case(
        b"sep=^\r\ntitle^isbn\r\nDune^\r\n", ["3 Dune"], ["this file is separated by '^'"]
    ),
    "a separator that is named": Case(
        b"title~isbn\nDune~\n", ["2 Dune"], ["this file is separated by '~'"], choices=chosen(delimiter="~")
    ),
    "tabs that are named": Case(b"title\tisbn\nDune\t\n", ["2 Dune"], None, choices=chosen(delimiter="tab")),
    "commas in values are not the separator": Case(
        b"title;description\nOne, two, three;a, b, c\n", ["2 One, two, three | a, b, c"], SEPARATORS[";"]
    ),
    "semicolons between authors are not the separator": Case(
        b"title,authors\nOne,A;B;C\nTwo,D;E;F\n", ["2 One | A/B/C", "3 Two | D/E/F"], []
    ),
    "blank lines before the headings, and separators at the ends": Case(
        b"\n,,,\ntitle,isbn,,\nDune,,,\nEmma,,,,,\n", ["4 Dune", "5 Emma"], []
    ),
    "lines end in all ways": Case(b"title\rOne\nTwo\r\nThree", ["2 One", "3 Two", "4 Three"], []),
    "a quote over several lines": Case(b'title,description\r"A\rB","c\rd"\rE,f\r', ["2 A\rB | c\rd", "5 E | f"], []),
    "a quote that is not closed": Case(
        b'title,authors\nOne,A\n"Two,B\n"Three",C\n',
        [
            "2 One | A",
            "3! row: is not valid CSV (text follows a closing quote); is a quote missing, or not doubled?",
            "4 Three | C",
        ],
    ),
    "another separator in one row": Case(
        b"title,isbn\nOne,\nTwo;\n",
        [
            "2 One",
            "3! row: has 1 values for 2 columns; values are separated by ',' here; is a comma or a quote missing?",
        ],
    ),
    "utf-16 without mark, Russian": Case(
        "title,authors\nВойна и мир,Лев Толстой\n".encode("utf-16-le"), ["2 Война и мир | Лев Толстой"]
    ),
    "blanks before quotes": Case(b'title, authors\n"A, B", "C, D; E"\n', ["2 A, B | C, D/E"]),
    "a value far from the beginning in a column without a heading": Case(
        b"title,\n" + b"Emma,\n" * 12_000 + b"Dune,x\n",
        [
            *(f"{line} Emma" for line in range(2, 12_002)),
            '12002! row: has a value in column 2, which has no heading: "x"',
        ],
        [],
    ),
    # Headings.
    "synonyms": Case(
        f"Title,Author,ISBN\nDune,Frank Herbert,{DUNE}\n".encode(),
        [f"2 Dune | Frank Herbert | {DUNE}"],
        ['"Title" is title: "Dune"', '"Author" is authors: "Frank Herbert"', f'"ISBN" is isbn: "{DUNE}"'],
        is_guess=True,
    ),
    "exact names in any case": Case(b'"TITLE", Isbn \nDune,\n', ["2 Dune"], []),
    "Book-Crossing": Case(
        '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"Image-URL-L"\n'
        '"0441569595";"Neuromancer";"William Gibson";"1984";"Ace";"http://example.org/c.jpg"\n'.encode("latin-1"),
        [f"2 Neuromancer | William Gibson | {NEUROMANCER} | Ace | 1984 | http://example.org/c.jpg"],
        is_guess=True,
    ),
    "Goodreads": Case(
        b"Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,Publisher,Pages,Year Published\n"
        b'1,Good Omens,Terry Pratchett,x,Neil Gaiman,"=""0060853980""","=""9780060853983""",W,491,2006\n'
        b'2,Emma,Jane Austen,"Austen, Jane",,"=""""","=""""",,,\n',
        ["2 Good Omens | Terry Pratchett/Neil Gaiman | 9780060853983 | W | 491 | 2006", "3 Emma | Jane Austen"],
        is_guess=True,
        choices=chosen(ignores=("Book Id", "Author l-f")),
    ),
    "an ISBN-10 where there is no ISBN-13": Case(
        f"title,ISBN10,ISBN13\nA,0441013597,{DUNE}\nB,0441569595,\nC,,\nD,0441569595,{DUNE}\nE,?,{DUNE}\n".encode(),
        [
            *(f"2 A | {DUNE}", f"3 B | {NEUROMANCER}", "4 C"),
            f"5! isbn: '{DUNE}' and '0441569595' are the ISBNs of 2 books; keep the one of this book",
            f"6 E | {DUNE}",
        ],
        is_guess=True,
        remarks=('Values that mean that nothing is known were left empty: 1 (line 6: "?")',),
    ),
    "an ISBN-13 that is rounded, or none, and an ISBN-10": Case(
        b"title,isbn,ISBN13\nA,0441569595,9.78044E+12\nB,0441569595,n/a\nC,,-\nD,0441569595,9.7\n",
        [
            *(f"2 A | {NEUROMANCER}", f"3 B | {NEUROMANCER}", "4 C"),
            "5! isbn: '9.7': an ISBN has 10 or 13 digits, but this has 2",
        ],
        is_guess=True,
        remarks=('Values that mean that nothing is known were left empty: 2 (line 3: "n/a", line 4: "-")',),
    ),
    "texts that were damaged before, and Ctrl-Z": Case(
        'title,authors,publisher\n"Ã‰mma",J&eacute;r,"=""Ace"""\nL\ufffdt,SÃO,\n\x1a'.encode(),
        ['2 Ã‰mma | J&eacute;r | ="Ace"', "3 L\ufffdt | SÃO"],
        [
            'UTF-8 was read in another encoding, such as "Ã‰mma"; it is taken as it is',
            'the text has codes of HTML, such as "J&eacute;r"; it is taken as it is',
            'the text is a formula of a spreadsheet, such as "="Ace""; it is taken as it is',
            'characters were lost before this file was written, such as "L\ufffdt"; it is taken as it is',
        ],
    ),
    "euc-kr": Case(
        "title,authors\n채식주의자,한강\n토지,박경리\n".encode("euc-kr"),
        ["2 채식주의자 | 한강", "3 토지 | 박경리"],
        is_guess=True,
    ),
    "two files put together": Case(
        "\ufefftitle,Isbn\nA,\n\ufeffTitle,isbn\nB,\n".encode(),
        ["2 A", "3! row: repeats the headings; remove this line", "4 B"],
        [],
    ),
    "blanks, dashes, underscores, dots and case do not matter": Case(
        b"BOOK_TITLE,author-name,PUBLISHER NAME,No. of Pages,Qty.,published date\nA,B,C,5,2,2004-03-01\n",
        ["2 A | B | C | 5 | 2004 | 2"],
        is_guess=True,
    ),
    "what else is known": Case(
        b"title,Shelf,Summary,Lang,Copies,Cover URL\nA,Fiction,Text,en,3,http://example.org/c\n",
        ["2 A | Fiction | Text | en | 3 | http://example.org/c"],
        is_guess=True,
    ),
    "other languages": Case(
        b"title;Auteur;Verlag;Sprache;Seitenzahl;Erscheinungsjahr\nA;B;C;de;271;1998\n",
        ["2 A | B | C | de | 271 | 1998"],
        is_guess=True,
    ),
    "columns that are named": Case(
        b"Titel,Autor,Signatur\nDune,Frank Herbert,A1\n",
        ["2 Dune | Frank Herbert"],
        ['"Signatur" is left out'],
        choices=chosen(maps=("Titel=title", "autor=authors"), ignores=("SIGNATUR",)),
    ),
    "columns that are named by number": Case(
        b'Titel,"A ""B""",,\nDune,Frank Herbert,x,\n',
        ["2 Dune | Frank Herbert"],
        choices=chosen(maps=("#1=title", "#2=authors"), ignores=("#3",)),
    ),
    "no headings": Case(
        f"Dune,Frank Herbert,x,{DUNE}\nEmma,Jane Austen,y,\n".encode(),
        [f"1 Dune | Frank Herbert | {DUNE}", "2 Emma | Jane Austen"],
        [],
        choices=chosen(columns=("title", "authors", "-", "isbn")),
    ),
    "no headings, other separator": Case(
        f"Dune;Herbert, Frank;{DUNE}\nEmma;Austen, Jane;\n".encode(),
        [f"1 Dune | Frank Herbert | {DUNE}", "2 Emma | Jane Austen"],
        ["this file is separated by ';'"],
        choices=chosen(columns=("title", "authors", "isbn"), last_first=True),
    ),
    # Authors.
    "authors by | and &": Case(
        b"title,authors\nA,Terry Pratchett & Neil Gaiman\nB,X|Y\nC,Simon & Schuster;\nD,R&D\n",
        ["2 A | Terry Pratchett/Neil Gaiman", "3 B | X/Y", "4 C | Simon & Schuster", "5 D | R&D"],
        [],
    ),
    "authors with a comma": Case(
        b'title,authors\nDune,"Herbert, Frank"\n',
        ["2 Dune | Herbert, Frank"],
        [
            f'authors such as "Herbert, Frank" are taken as they are; {WHAT_COMMAS_MAY_MEAN}',
        ],
    ),
    "authors with other signs between them": Case(
        b"title,authors\nA,B/C\nB,D and E\nC,F\n",
        ["2 A | B/C", "3 B | D and E", "4 C | F"],
        [
            'authors such as "B/C" are taken as they are; if they are several, say --authors-separator /',
            'authors such as "D and E" are taken as they are; if they are several, say --authors-separator " and "',
        ],
    ),
    "authors as Last, First": Case(
        b'title,authors\nA,"Herbert, Frank; Le Guin, Ursula K."\nB,"King, Martin Luther, Jr."\n'
        b'C,"Austen, Jane, 1775-1817."\nD,Homer\n',
        [
            *("2 A | Frank Herbert/Ursula K. Le Guin", "3 B | Martin Luther King, Jr.", "4 C | Jane Austen"),
            "5 D | Homer",
        ],
        [],
        choices=chosen(last_first=True),
    ),
    "authors with a separator that is named": Case(
        b'title,authors\nA,"B, C and D"\n', ["2 A | B/C and D"], [], choices=chosen(authors_separators=(",",))
    ),
    "two files one after the other, each with headings": Case(
        b"title,authors\nA,B\n Title ,AUTHORS\nC,D\nTitle,E\n",
        ["2 A | B", "3! row: repeats the headings; remove this line", "4 C | D", "5 Title | E"],
        [],
    ),
    "an entity of HTML between names": Case(
        b"title,authors\nA,Strunk &amp; White\nB,Andr&eacute; Gide; C&#39;s\nC,AT&T; Bell\n",
        ["2 A | Strunk &amp; White", "3 B | Andr&eacute; Gide/C&#39;s", "4 C | AT&T/Bell"],
        ['the text has codes of HTML, such as "Strunk &amp; White"; it is taken as it is'],
    ),
    # JSON Lines.
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
    # Workbooks.
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


SHOWN: dict[str, list[str]] = {
    "windows-1252, one letter": [
        (
            'its text is in windows-1252, which is a guess: "Étranger"; --encoding chooses '
            "another one, such as windows-1251, windows-1253, windows-1255"
        ),
        '"title" is title: "L\'Étranger"',
    ],
    "windows-1252, German": [
        "this file is separated by ';'",
        (
            'its text is in windows-1252, which is a guess: "Günter", "Über", "Jürgen"; '
            "--encoding chooses another one, such as macintosh, cp850, windows-1256"
        ),
        '"title" is title: "Die Blechtrommel", "Über Liebe"',
        '"authors" is authors: "Günter Grass", "Jürgen Groß"',
    ],
    "latin-1, Spanish": [
        (
            'its text is in windows-1252, which is a guess: "años", "García", "Márquez"; '
            "--encoding chooses another one, such as windows-1250, iso-8859-2, windows-1257"
        ),
        '"title" is title: "Cien años de soledad"',
        '"authors" is authors: "Gabriel García Márquez"',
    ],
    "windows-1250, Polish": [
        (
            'its text is in windows-1250, which is a guess: "Władca", "Pierścieni", '
            '"Zażółć"; --encoding chooses another one, such as windows-1252'
        ),
        '"title" is title: "Władca Pierścieni", "Zażółć gęślą jaźń"',
        '"authors" is authors: "Tolkien", "Łódź"',
    ],
    "windows-1251, Russian": [
        (
            'its text is in windows-1251, which is a guess: "Война", "и", "мир"; --encoding '
            "chooses another one, such as windows-1255, windows-1252"
        ),
        '"title" is title: "Война и мир", "Преступление и наказание"',
        '"authors" is authors: "Лев Толстой", "Фёдор Достоевский"',
    ],
    "koi8-r": [
        (
            'its text is in koi8-r, which is a guess: "Война", "и", "мир"; --encoding '
            "chooses another one, such as windows-1252"
        ),
        '"title" is title: "Война и мир", "Преступление и наказание"',
        '"authors" is authors: "Лев Толстой", "Фёдор Достоевский"',
    ],
    "windows-1253, Greek": [
        (
            'its text is in windows-1253, which is a guess: "Οδύσσεια", "Όμηρος", "Βίος"; '
            "--encoding chooses another one, such as windows-1251, windows-1252"
        ),
        '"title" is title: "Οδύσσεια", "Βίος και Πολιτεία του Αλέξη Ζορμπά"',
        '"authors" is authors: "Όμηρος", "Νίκος Καζαντζάκης"',
    ],
    "macintosh": [
        (
            'its text is in macintosh, which is a guess: "Étranger", "À", "Crème"; '
            "--encoding chooses another one, such as cp850"
        ),
        '"title" is title: "L\'Étranger", "À la recherche du temps perdu", "Crème brûlée"',
    ],
    "shift_jis": [
        'its text is in shift_jis, which is a guess: "雪国", "川端康成", "こころ"',
        '"title" is title: "雪国", "こころ", "ノルウェイの森"',
        '"authors" is authors: "川端康成", "夏目漱石", "村上春樹"',
    ],
    "a first letter outside ASCII far from the beginning": [
        (
            'its text is in windows-1252, which is a guess: "Étranger"; --encoding chooses '
            "another one, such as windows-1251, windows-1253, windows-1255"
        ),
        '"title" is title: "Emma"',
    ],
    "tabs that are named": ["this file is separated by tabs"],
    "a quote that is not closed": [],
    "another separator in one row": [],
    "utf-16 without mark, Russian": ["its text is in utf-16-le"],
    "blanks before quotes": [
        (
            'authors such as "C, D; E" are taken as they are; say --last-first for Last, '
            "First, or --authors-separator , for several"
        ),
    ],
    "Book-Crossing": [
        "this file is separated by ';'",
        '"ISBN" is isbn: "0441569595"',
        '"Book-Title" is title: "Neuromancer"',
        '"Book-Author" is authors: "William Gibson"',
        '"Year-Of-Publication" is published_year: "1984"',
        '"Publisher" is publisher: "Ace"',
        '"Image-URL-L" is cover_uri: "http://example.org/c.jpg"',
    ],
    "Goodreads": [
        '"Title" is title: "Good Omens", "Emma"',
        '"Author" is authors: "Terry Pratchett", "Jane Austen"',
        '"Additional Authors" is authors: "Neil Gaiman"',
        '"ISBN" is isbn: "="0060853980"", "="""',
        '"ISBN13" is isbn: "="9780060853983"", "="""',
        '"Publisher" is publisher: "W"',
        '"Pages" is page_count: "491"',
        '"Year Published" is published_year: "2006"',
        '"Book Id" is left out',
        '"Author l-f" is left out',
    ],
    "an ISBN-10 where there is no ISBN-13": [
        '"title" is title: "A", "B", "C"',
        '"ISBN10" is isbn: "0441013597", "0441569595", "?"',
        '"ISBN13" is isbn: "9780441013593"',
    ],
    "an ISBN-13 that is rounded, or none, and an ISBN-10": [
        '"title" is title: "A", "B", "C"',
        '"isbn" is isbn: "0441569595"',
        '"ISBN13" is isbn: "9.78044E+12", "n/a", "-"',
    ],
    "euc-kr": [
        (
            'its text is in euc-kr, which is a guess: "채식주의자", "한강", "토지"; --encoding '
            "chooses another one, such as euc-jp, gb18030, windows-1252"
        ),
        '"title" is title: "채식주의자", "토지"',
        '"authors" is authors: "한강", "박경리"',
    ],
    "blanks, dashes, underscores, dots and case do not matter": [
        '"BOOK_TITLE" is title: "A"',
        '"author-name" is authors: "B"',
        '"PUBLISHER NAME" is publisher: "C"',
        '"No. of Pages" is page_count: "5"',
        '"Qty." is copies: "2"',
        '"published date" is published_year: "2004-03-01"',
    ],
    "what else is known": [
        '"title" is title: "A"',
        '"Shelf" is category: "Fiction"',
        '"Summary" is description: "Text"',
        '"Lang" is language: "en"',
        '"Copies" is copies: "3"',
        '"Cover URL" is cover_uri: "http://example.org/c"',
    ],
    "other languages": [
        "this file is separated by ';'",
        '"title" is title: "A"',
        '"Auteur" is authors: "B"',
        '"Verlag" is publisher: "C"',
        '"Sprache" is language: "de"',
        '"Seitenzahl" is page_count: "271"',
        '"Erscheinungsjahr" is published_year: "1998"',
    ],
    "columns that are named by number": [],
    "JSON Lines with other keys": ['"Title" is title: "A"', '"Author" is authors: "B"', '"pages" is page_count: "5.0"'],
    "workbook": [
        '"Title" is title: "Neuromancer", "1984"',
        '"Author" is authors: "William Gibson", "George Orwell"',
        '"ISBN" is isbn: "441569595", "0-452-28423-6"',
        '"Year" is published_year: "1984-07-01", "1949"',
        '"Pages" is page_count: "271"',
    ],
    "workbook with a value behind the columns": [],
}
"""What is shown of the other files."""


def shown_row(row: Any) -> str:
    if not isinstance(row, ImportBooksRequest):
        return f"{row.line}! " + "; ".join(f"{problem.field}: {problem.description}" for problem in row.problems)
    book = row.book
    order = ("isbn", "publisher", "category", "description", "language", "page_count", "published_year", "copies")
    rest = [str(getattr(book, name)) for name in (*order, "cover_uri") if getattr(book, name)]
    return f"{row.line} {' | '.join(filter(None, [book.title, '/'.join(book.authors), *rest]))}"


def read(content: bytes, choices: Choices = AS_FOUND) -> tuple[Books, list[str]]:
    books = Books(io.BytesIO(content), choices)
    return books, list(map(shown_row, books))


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown_and_what_goes_in(name: str) -> None:
    case = CASES[name]
    books, rows = read(case.content, case.choices)
    assert books.shown == (SHOWN[name] if case.shown is None else case.shown)
    assert books.is_guess is case.is_guess
    assert rows == case.goes_in
    assert books.remarks == list(case.remarks)


def test_there_are_sixty_files_and_more() -> None:
    assert len(CASES) >= 60


def test_the_documentation_has_all_headings() -> None:
    text = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
    for field, known in fields.SYNONYMS.items():
        others = [*fields.ISBN_13_HEADINGS, *fields.ISBN_10_HEADINGS] if field == "isbn" else []
        assert f"| {field} | {', '.join([*known, *others])} |" in text
    assert all(heading in text for heading in fields.MORE_AUTHORS_HEADINGS)


def test_no_heading_is_known_for_two_fields() -> None:
    keys = [(fields.key_of(heading), field) for field, known in fields.SYNONYMS.items() for heading in known]
    assert len({key for key, _ in keys}) == len(set(keys))
    assert not fields.HINTS.keys() & fields.FIELD_OF.keys()
    assert all(fields.key_of(hint) == hint for hint in fields.HINTS)
    assert set(fields.HINTS.values()) <= set(fields.FIELDS)
    assert all(fields.FIELD_OF[fields.key_of(field)] == field for field in fields.FIELDS)


OF_THE_ISSUE = {
    "authors": "Author, Authors, Book-Author, AUTHOR, book_author, book author, Author's Name, Author(s)*",
    "isbn": "ISBN13, ISBN-10, isbn_13, Isbn 10, ISBN Nr., ISBN/EAN, ean_isbn13, upc_isbn10",
    "published_year": "Year, Year-Of-Publication, Published, published_date, year of publication, Publ. Year",
    "page_count": "Pages, Number of Pages, number-of-pages, NUMBER_OF_PAGES, # of pages:, No. of pp., pp.",
    "copies": "Qty, Quantity, Copies, qty., # of copies, No. copies",
    "publisher": "Publisher Name, publisher-name, Publisher",
    "category": "Genre, Subject, Shelf, GENRE",
    "language": "Language, LANGUAGE",
    "description": "Summary, summary, Book Summary",
}


def test_headings_that_people_use_are_taken_however_they_write_them() -> None:
    for field, headings in OF_THE_ISSUE.items():
        for heading in headings.split(", "):
            books = Books(io.BytesIO(f"title,{heading}\nEmma,1\n".encode()))
            assert books.columns[1].field == field, heading
            assert books.columns[1].is_guess is (heading.lower() not in fields.FIELDS), heading


class Pipe(io.RawIOBase):
    """Bytes that come once, a few at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        chunk = self._content.read(min(len(buffer), 4_099))
        buffer[: len(chunk)] = chunk
        return len(chunk)


@pytest.mark.parametrize("name", [name for name in CASES if "far from the beginning" not in name])
def test_a_pipe_is_read_like_a_file(name: str) -> None:
    case = CASES[name]
    books = Books(io.BufferedReader(Pipe(case.content)), case.choices)
    assert list(map(shown_row, books)) == case.goes_in
    assert case.shown is None or books.shown == case.shown


def test_refused_rows_keep_their_bytes(tmp_path: Path) -> None:
    """Windows-1252 is often called Latin-1, which lacks its quotes and its euro: they are read, and not lost."""
    content = "title,isbn\nL\u2019Étranger \u2013 10 €,x\n".encode("cp1252")
    for name in ("latin-1", "iso-8859-15", "windows-1252"):
        books = Books(io.BytesIO(content), chosen(encoding=name))
        assert isinstance(next(iter(books)), ImportOutcome)
        file = books.table.rejects(tmp_path / name)
        file.add(books.table.raw_row())
        file.close()
        assert (tmp_path / name).read_bytes() == content


def test_a_byte_that_does_not_fit_later_in_a_pipe_is_refused_with_its_line() -> None:
    content = b"title\n" + b"Emma\n" * 30_000 + b"L'\xc9tranger\nEmma\n"
    books = Books(io.BufferedReader(Pipe(content)))
    rows: list[object] = []
    with pytest.raises(NotBooks, match=r"is not UTF-8 text \(byte 0xc9 in line 30002\); name its encoding") as refusal:
        rows.extend(books)
    assert len(rows) == 30_000
    assert "--encoding windows-1252" in str(refusal.value)
