"""Files whose columns have headings of all kinds or none, and authors in all forms."""

from __future__ import annotations

from tests.support.book_files import chosen
from tests.support.reading_cases.case import (
    DUNE,
    NEUROMANCER,
    WHAT_COMMAS_MAY_MEAN,
    Case,
)

HEADINGS = {
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
}

AUTHORS = {
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
}
