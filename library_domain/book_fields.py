"""The fields of a book that librarians write, in one table. A new field is one entry here.

Types and limits are not here, but in the contract (AddBookRequest), from which `limits` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from buf.validate import validate_pb2
from library.admin.v1.catalog_service_pb2 import AddBookRequest


class FieldKind(Enum):
    """How the values of a field are converted, by the admin and by the commands that read and write files."""

    TEXT = auto()
    """Stored in Unicode's NFC, without blanks and invisible characters at its ends."""
    NAMES = auto()
    """A list of names, stored as a JSON array. In a file, a separator is between them."""
    ISBN = auto()
    """Stored as thirteen digits, or empty."""
    NUMBER = auto()
    """0 where it is not known."""
    YEAR = auto()
    """A number. A file may have a date."""
    SUBJECTS = auto()
    """A list of texts like `NAMES`, without names of people: `Science & nature` is one."""
    IDENTIFIERS = auto()
    """A list of numbers with their types, stored as a JSON array of objects. `field_texts` has its form in files."""
    CONTRIBUTORS = auto()
    """A list of names with their roles, stored and written like `IDENTIFIERS`."""


LIST_KINDS = frozenset({FieldKind.NAMES, FieldKind.SUBJECTS, FieldKind.IDENTIFIERS, FieldKind.CONTRIBUTORS})
"""Kinds of fields that are lists."""


@dataclass(frozen=True)
class BookField:
    """A field of `Book` that AddBook takes, UpdateBook changes, the sync carries, and files have."""

    name: str
    """Its name in `Book`, in masks of updates, and of the column in the admin's table."""
    kind: FieldKind
    headings: tuple[str, ...]
    """Headings of columns that are taken for this field in a file. Case, blanks and punctuation do not matter."""
    hints: tuple[str, ...] = ()
    """Headings, in lower-case letters and digits only, that may mean this field but are too uncertain to be taken for
    it: they are suggested to the person who imports the file."""
    alias: str = ""
    """Its name in AddBookRequest, in files and in the outcomes of imports, where that is not `name`."""

    @property
    def input_name(self) -> str:
        """Its name in AddBookRequest, in files and in the outcomes of imports."""
        return self.alias or self.name


def _split(headings: str) -> tuple[str, ...]:
    return tuple(headings.split(" | "))


BOOK_FIELDS = (
    BookField(
        "title",
        FieldKind.TEXT,
        headings=_split(
            "Title | Book Title | Book Name | Main Title | Title Proper | Name of Book | Name of the Book | "
            "Title of Book | Title of the Book | Titre | Titel | Buchtitel | Título | Titolo"
        ),
        hints=_split("name | book | work | titulo | titles | fulltitle"),
    ),
    BookField(
        "authors",
        FieldKind.NAMES,
        headings=_split(
            "Authors | Author | Author(s) | Book Author | Author Name | Author Names | Primary Author | "
            "Authors Name | Name of Author | Name of Authors | Main Author | Writer | Writers | Written By | "
            "Creator | Creators | Auteur | Auteurs | Autoren | Verfasser | Verfasserin | Autor | Autorin | Autor/in | "
            "Autores | Autore | Autori | Auteur principal"
        ),
        hints=_split("authorlf | by | lastname | authorlastname"),
    ),
    BookField(
        "isbn",
        FieldKind.ISBN,
        headings=_split("ISBN | ISBN Number | ISBN No | ISBN Nr | ISBN Code | Book ISBN"),
        hints=_split("isbns | isbnuid | isbnissn | asin"),
    ),
    BookField(
        "publisher",
        FieldKind.TEXT,
        headings=_split(
            "Publisher | Publisher Name | Publishers | Publishing House | Published By | Verlag | Verlagsname | "
            "Éditeur | Editorial | Editora | Editore | Maison d'édition"
        ),
        hints=_split("imprint | press | editeur | publication | pub | publ | publishercode"),
    ),
    BookField(
        "category",
        FieldKind.TEXT,
        headings=_split(
            "Category | Categories | Genre | Genres | Subject | Shelf | Shelves | Topic | Book Category | Book Genre | "
            "Classification | Collection Code | Kategorie | Catégorie | Categoría | Género | Sachgebiet"
        ),
        hints=_split("type | section | bookshelves | exclusiveshelf | location"),
    ),
    BookField(
        "language",
        FieldKind.TEXT,
        headings=_split(
            "Language | Languages | Lang | Language Code | Book Language | Sprache | Langue | Idioma | Lingua"
        ),
    ),
    BookField(
        "published_year",
        FieldKind.YEAR,
        headings=_split(
            "Published Year | Year | Published | Year Published | Year of Publication | Publication Year | Pub Year | "
            "Publication Date | Pub Date | Date of Publication | Published Date | Date Published | Publish Date | "
            "Release Date | Release Year | Year Released | Publishing Year | Copyright Date | Copyright Year | "
            "Year of Publ | Publ Year | Publ Date | Publication Yr | Jahr | Erscheinungsjahr | Année | "
            "Année de publication | Date de parution | Año | Año de publicación | Anno"
        ),
        hints=_split("date | yr | copyright | firstpublished | annee | originalpublicationyear"),
    ),
    BookField(
        "page_count",
        FieldKind.NUMBER,
        headings=_split(
            "Page Count | Pages | Number of Pages | No of Pages | Num Pages | Nr of Pages | # Pages | # of Pages | "
            "No Pages | No of pp | Pgs | pp | Total Pages | Page Numbers | Seiten | Seitenzahl | Nombre de pages | "
            "Páginas | Número de páginas | Pagine"
        ),
        hints=_split("paginas | extent | length | physicaldescription"),
    ),
    BookField(
        "cover_uri",
        FieldKind.TEXT,
        headings=_split(
            "Cover URI | Cover | Cover URL | Cover Image | Cover Image URL | Image URL | Image URL L | Thumbnail | "
            "Thumbnail URL | Cover Link"
        ),
        hints=_split("imageurlm | imageurls | image | picture | url | link"),
    ),
    BookField(
        "description",
        FieldKind.TEXT,
        headings=_split(
            "Description | Summary | Book Description | Book Summary | Abstract | Synopsis | Blurb | Beschreibung | "
            "Descripción | Résumé | Zusammenfassung"
        ),
        hints=_split("notes | note | comment | comments | review | plot"),
    ),
    BookField(
        "subtitle",
        FieldKind.TEXT,
        headings=_split(
            "Subtitle | Sub Title | Book Subtitle | Remainder of Title | Untertitel | Sous-titre | Subtítulo | "
            "Sottotitolo"
        ),
        hints=_split("othertitleinformation | titlesuffix"),
    ),
    BookField(
        "edition",
        FieldKind.TEXT,
        headings=_split(
            "Edition | Edition Statement | Book Edition | Ausgabe | Auflage | Édition | Edición | Edizione"
        ),
        hints=_split("ed | editionno | editionnumber"),
    ),
    BookField(
        "series",
        FieldKind.TEXT,
        headings=_split(
            "Series | Series Title | Series Name | Series Statement | Book Series | Reihe | Reihentitel | Serie | "
            "Série | Colección | Collana"
        ),
        hints=("collection",),
    ),
    BookField(
        "volume",
        FieldKind.TEXT,
        headings=_split(
            "Volume | Volume Number | Volume No | Vol | Series Number | Series No | Number in Series | Bandnummer | "
            "Volumen"
        ),
        hints=_split("seriesposition | part | teil | band | tome | tomo"),
    ),
    BookField(
        "subjects",
        FieldKind.SUBJECTS,
        headings=_split(
            "Subjects | Subject Headings | Subject Heading | Topics | Keywords | Schlagwörter | "
            "Schlagworte | Themen | Sujets | Mots-clés | Materias | Palabras clave | Soggetti"
        ),
        hints=_split("tags | descriptors | themes"),
    ),
    BookField(
        "identifiers",
        FieldKind.IDENTIFIERS,
        headings=_split("Identifiers | Identifier | Other Identifiers | Standard Numbers | Kennungen | Identifiants"),
        hints=_split("ids | identificadores | standardnumber"),
    ),
    BookField(
        "contributors",
        FieldKind.CONTRIBUTORS,
        headings=_split(
            "Contributors | Contributor | Other Contributors | Mitwirkende | Beteiligte | Contributeurs | "
            "Colaboradores | Contributori"
        ),
        hints=_split("editor | editors | herausgeber | contributorrole"),
    ),
    BookField(
        "format",
        FieldKind.TEXT,
        headings=_split("Format | Book Format | Media Type | Material Type | Medium | Medienart | Medientyp | Formato"),
        hints=_split("media | material | itype | kind | binding | einband | support"),
    ),
    BookField(
        "total_copies",
        FieldKind.NUMBER,
        alias="copies",
        headings=_split(
            "Copies | Qty | Quantity | Number of Copies | No of Copies | Num Copies | Total Copies | # of Copies | "
            "No Copies | Copy Count | Copies Owned | Item Count | Anzahl | Anzahl Exemplare | Exemplare | "
            "Exemplaires | Nombre d'exemplaires | Ejemplares"
        ),
        hints=_split("stock | instock | copy | count | number | amount | ownedcopies | menge | items"),
    ),
)
"""In the order of the columns of an export."""

FIELD_NAMES = tuple(field.name for field in BOOK_FIELDS)
INPUT_NAMES = tuple(field.input_name for field in BOOK_FIELDS)
INPUT_NAME_OF = dict(zip(FIELD_NAMES, INPUT_NAMES, strict=True))
CHANGEABLE_FIELDS = (*FIELD_NAMES, "state")
"""Fields that UpdateBook can change."""


def limits(input_name: str) -> validate_pb2.FieldRules:
    """Return the limits that the contract states for a field of AddBookRequest."""
    rules: validate_pb2.FieldRules = (
        AddBookRequest.DESCRIPTOR.fields_by_name[input_name].GetOptions().Extensions[validate_pb2.field]
    )
    return rules
