"""The fields of a book that a file may have, and the headings that are known to mean them."""

from __future__ import annotations

import unicodedata

TEXT_FIELDS = ("title", "publisher", "category", "language", "cover_uri", "description")
NUMBER_FIELDS = ("published_year", "page_count", "copies")
FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS, "authors", "isbn")
"""All fields of an AddBookRequest but the request id; each is the name of a column, too."""

SYNONYMS = {
    "title": [
        *("Title", "Book Title", "Book Name", "Main Title", "Title Proper", "Name of Book", "Name of the Book"),
        *("Title of Book", "Title of the Book", "Titre", "Titel", "Buchtitel", "Título", "Titolo"),
    ],
    "authors": [
        *("Authors", "Author", "Author(s)", "Book Author", "Author Name", "Author Names", "Primary Author"),
        *("Authors Name", "Name of Author", "Name of Authors"),
        *("Main Author", "Writer", "Writers", "Written By", "Creator", "Creators", "Auteur", "Auteurs", "Autoren"),
        *(
            "Verfasser",
            "Verfasserin",
            "Autor",
            "Autorin",
            "Autor/in",
            "Autores",
            "Autore",
            "Autori",
            "Auteur principal",
        ),
    ],
    "isbn": ["ISBN", "ISBN Number", "ISBN No", "ISBN Nr", "ISBN Code", "Book ISBN"],
    "publisher": [
        *("Publisher", "Publisher Name", "Publishers", "Publishing House", "Published By", "Verlag", "Verlagsname"),
        *("Éditeur", "Editorial", "Editora", "Editore", "Maison d'édition"),
    ],
    "category": [
        *("Category", "Categories", "Genre", "Genres", "Subject", "Subjects", "Shelf", "Shelves", "Topic", "Topics"),
        *("Book Category", "Book Genre", "Classification", "Collection Code", "Kategorie", "Catégorie", "Categoría"),
        *("Género", "Sachgebiet"),
    ],
    "language": [
        *("Language", "Languages", "Lang", "Language Code", "Book Language", "Sprache", "Langue", "Idioma", "Lingua"),
    ],
    "published_year": [
        *("Published Year", "Year", "Published", "Year Published", "Year of Publication", "Publication Year"),
        *("Pub Year", "Publication Date", "Pub Date", "Date of Publication", "Published Date", "Date Published"),
        *("Publish Date", "Release Date", "Release Year", "Year Released", "Publishing Year", "Copyright Date"),
        *(
            "Copyright Year",
            "Year of Publ",
            "Publ Year",
            "Publ Date",
            "Publication Yr",
            "Jahr",
            "Erscheinungsjahr",
            "Année",
            "Année de publication",
            "Date de parution",
            "Año",
            "Año de publicación",
            "Anno",
        ),
    ],
    "page_count": [
        *("Page Count", "Pages", "Number of Pages", "No of Pages", "Num Pages", "Nr of Pages", "# Pages"),
        *("# of Pages", "No Pages", "No of pp", "Pgs", "pp"),
        *(
            "Total Pages",
            "Page Numbers",
            "Seiten",
            "Seitenzahl",
            "Nombre de pages",
            "Páginas",
            "Número de páginas",
            "Pagine",
        ),
    ],
    "copies": [
        *("Copies", "Qty", "Quantity", "Number of Copies", "No of Copies", "Num Copies", "Total Copies"),
        *("# of Copies", "No Copies"),
        *("Copy Count", "Copies Owned", "Item Count", "Anzahl", "Anzahl Exemplare", "Exemplare", "Exemplaires"),
        *("Nombre d'exemplaires", "Ejemplares"),
    ],
    "cover_uri": [
        *("Cover URI", "Cover", "Cover URL", "Cover Image", "Cover Image URL", "Image URL", "Image URL L"),
        *("Thumbnail", "Thumbnail URL", "Cover Link"),
    ],
    "description": [
        *(
            "Description",
            "Summary",
            "Book Description",
            "Book Summary",
            "Abstract",
            "Synopsis",
            "Blurb",
            "Beschreibung",
        ),
        *("Descripción", "Résumé", "Zusammenfassung"),
    ],
}
"""The headings that are taken for each field, as people write them. Case, blanks and punctuation do not matter."""

ISBN_13_HEADINGS = ["ISBN-13", "ISBN13", "ISBN/13", "EAN", "EAN13", "ISBN/EAN", "EAN/ISBN", "ISBN-13/EAN", "EAN-ISBN13"]
ISBN_10_HEADINGS = ["ISBN-10", "ISBN10", "ISBN/10", "UPC-ISBN10"]
"""An ISBN-10 alongside an ISBN-13 is the same number; where there are both, the longer one is taken."""

MORE_AUTHORS_HEADINGS = ["Additional Authors", "Other Authors", "Co-Authors", "Co-Author", "Secondary Author"]
"""Added to the authors in another column."""

HINTS = {
    **dict.fromkeys(["name", "book", "work", "titulo", "titles", "fulltitle"], "title"),
    **dict.fromkeys(["authorlf", "contributor", "contributors", "by", "lastname", "authorlastname"], "authors"),
    **dict.fromkeys(["isbns", "isbnuid", "isbnissn", "identifier", "identifiers", "asin"], "isbn"),
    **dict.fromkeys(
        ["imprint", "press", "editeur", "publication", "pub", "publ", "publishercode"],
        "publisher",
    ),
    **dict.fromkeys(["tags", "type", "section", "bookshelves", "exclusiveshelf", "location"], "category"),
    **dict.fromkeys(
        ["date", "yr", "copyright", "firstpublished", "annee", "originalpublicationyear"],
        "published_year",
    ),
    **dict.fromkeys(["paginas", "extent", "length", "physicaldescription"], "page_count"),
    **dict.fromkeys(
        ["stock", "instock", "copy", "count", "number", "amount", "ownedcopies", "menge", "items"], "copies"
    ),
    **dict.fromkeys(["notes", "note", "comment", "comments", "review", "plot"], "description"),
    **dict.fromkeys(["imageurlm", "imageurls", "image", "picture", "url", "link"], "cover_uri"),
}
"""Headings that may mean a field, and are too uncertain to be taken: a person is asked, with this as the suggestion."""


OTHERS = frozenset(
    [
        *("issn", "eissn", "issnisbn", "placeofpublication", "publicationplace", "publisherplace", "publishedin"),
        *(
            "firstname",
            "authorfirstname",
            "authorid",
            "authorsid",
            "authorrole",
            "primaryauthorrole",
            "titleid",
            "titlesort",
            "publicationtitle",
        ),
        *("copyid", "copynumber", "copyno", "subtitle", "shorttitle", "seriestitle", "originaltitle", "pagesread"),
        *("originallanguage", "originallanguages", "languageid", "publisherid", "categoryid", "genreid"),
    ]
)
"""Headings that are like known ones, and mean something else: to leave them out is the suggestion."""


def key_of(heading: str) -> str:
    """Return what is compared of a heading: its letters and digits, in one case."""
    folded = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


FIELD_OF = {key_of(heading): field for field, headings in SYNONYMS.items() for heading in headings}
FIELD_OF |= dict.fromkeys(map(key_of, [*ISBN_13_HEADINGS, *ISBN_10_HEADINGS]), "isbn")
FIELD_OF |= dict.fromkeys(map(key_of, MORE_AUTHORS_HEADINGS), "authors")
ISBN_13_KEYS = frozenset(map(key_of, ISBN_13_HEADINGS))
ISBN_10_KEYS = frozenset(map(key_of, ISBN_10_HEADINGS))
MORE_AUTHORS_KEYS = frozenset(map(key_of, MORE_AUTHORS_HEADINGS))
