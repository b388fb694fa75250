"""Files in all encodings, with all separators and ends of lines."""

from __future__ import annotations

import codecs

from tests.support.book_files import chosen
from tests.support.reading_cases.case import (
    DUNE,
    GUESS,
    SEPARATORS,
    Case,
)

ENCODINGS = {
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
}

SEPARATED = {
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
}
