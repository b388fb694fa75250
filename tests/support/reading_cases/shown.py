"""What is shown of the files whose cases do not have it themselves."""

from __future__ import annotations

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
