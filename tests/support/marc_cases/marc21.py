"""Fields of MARC 21, and what they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.marc_cases.making import LEADER


@dataclass(frozen=True)
class FieldCase:
    """Lines of a record, and the values of its book."""

    name: str
    lines: tuple[str, ...]
    values: dict[str, Any]
    """Fields of AddBookRequest; lists of identifiers and contributors in their text forms. Other fields are not
    compared."""
    problems: tuple[str, ...] = ()
    """The fields that have problems."""
    leader: str = LEADER
    items: list[dict[str, str]] = field(default_factory=list)


TITLE = "245 10 $aNeuromancer /$cWilliam Gibson."


def _leader(kind: str) -> str:
    return f"{LEADER[:6]}{kind}{LEADER[8:]}"


def _case(name: str, *lines: str, problems: tuple[str, ...] = (), leader: str = LEADER, **values: Any) -> FieldCase:
    has_title = any(line.startswith("245") for line in lines)
    return FieldCase(name, lines if has_title else (TITLE, *lines), values, problems, leader)


def _008(text: str, at: int) -> str:
    blank = " " * 40
    return f"008 {blank[:at]}{text}{blank[at + len(text) :]}"


FIELD_CASES = [
    # Title
    _case(
        "punctuation of ISBD",
        "245 10 $aNeuromancer :$ba novel /$cWilliam Gibson.",
        title="Neuromancer",
        subtitle="a novel",
    ),
    _case("a full stop at the end", "245 10 $aNeuromancer.", title="Neuromancer"),
    _case("an ellipsis", "245 10 $aAnd then ...", title="And then ..."),
    _case("an abbreviation", "245 10 $aMonsters, Inc.", title="Monsters, Inc."),
    _case("initials", "245 10 $aThe story of J. R.", title="The story of J. R."),
    _case("an acronym", "245 10 $aMade in U.S.A. /", title="Made in U.S.A."),
    _case("a question", "245 10 $aWho is there? /", title="Who is there?"),
    _case("a title in brackets", "245 10 $a[Letters] /", title="Letters"),
    _case("brackets within a title", "245 10 $a[A] or [B]", title="[A] or [B]"),
    _case(
        "only punctuation omitted",
        "245 10 $aWhat about / :",
        title="What about / :",
        leader=LEADER[:18] + "c" + LEADER[19:],
    ),
    _case("a part", "245 10 $aFaust.$nPart 1,$pThe tragedy /", title="Faust. The tragedy", volume="Part 1"),
    _case(
        "a part in a series",
        "245 10 $aFaust.$nPart 1,$pThe tragedy /",
        "490 1_ $aWorks ;$v12",
        title="Faust. Part 1. The tragedy",
        series="Works",
        volume="12",
    ),
    _case("an article that is not sorted", "245 14 $aThe dispossessed", title="The dispossessed"),
    _case("a parallel title", "245 10 $aKatze =$bCat", title="Katze", subtitle="Cat"),
    _case("two title fields", "245 10 $aFirst", "245 10 $aSecond", title="First"),
    # Numbers
    _case("an ISBN with a qualifier", "020 __ $a0441569595 (pbk.) :$c$$3.95", isbn="9780441569595"),
    _case("an ISBN-10 with hyphens", "020 __ $a0-441-56959-5", isbn="9780441569595"),
    _case(
        "two ISBNs",
        "020 __ $a9780441569595$qpaperback",
        "020 __ $a9780307969958 (ebook)",
        isbn="9780441569595",
        identifiers=["ISBN 9780307969958"],
    ),
    _case("the same ISBN twice", "020 __ $a0441569595", "020 __ $a9780441569595", isbn="9780441569595", identifiers=[]),
    _case(
        "an invalid ISBN first", "020 __ $a0441569599", "020 __ $a0441569595", isbn="9780441569595", problems=("isbn",)
    ),
    _case("a cancelled ISBN", "020 __ $z0441569595", isbn=""),
    _case("an ISBN that is a price", "020 __ $c$$3.95", isbn=""),
    _case("a text for an ISBN", "020 __ $aunknown", isbn="", problems=("isbn",)),
    _case(
        "other numbers",
        "010 __ $a   84012345 ",
        "022 __ $a0317-8471",
        "024 3_ $a4006381333931",
        "024 1_ $a036000291452",
        "024 7_ $a10.1000/182$2doi",
        "035 __ $a(OCoLC)ocm00012345",
        "035 __ $a(DE-599)GBV1",
        "024 8_ $aX-1",
        identifiers=[
            "LCCN 84012345",
            "ISSN 0317-8471",
            "EAN 4006381333931",
            "EAN 0036000291452",
            "OTHER 10.1000/182",
            "OCLC 12345",
            "OTHER X-1",
        ],
    ),
    _case("an invalid ISSN", "022 __ $a0317-8472", identifiers=[], problems=("identifiers",)),
    # Names
    _case("a surname first", "100 1_ $aGibson, William,$d1948-", authors=["William Gibson"]),
    _case("a forename", "100 0_ $aHomer.", authors=["Homer"]),
    _case("a king", "100 0_ $aJohn Paul$bII,$cPope,$d1920-2005", authors=["John Paul II"]),
    _case("a suffix", "100 1_ $aKing, Martin Luther,$cJr.,$d1929-1968", authors=["Martin Luther King, Jr."]),
    _case("a suffix within the name", "100 1_ $aVonnegut, Kurt, Jr.", authors=["Kurt Vonnegut, Jr."]),
    _case("a family of one word", "100 1_ $aMadonna", authors=["Madonna"]),
    _case("a body", "110 2_ $aGreat Britain.$bParliament.", authors=["Great Britain. Parliament"]),
    _case("a meeting", "111 2_ $aConference on Robots$d(1984 :$cBerlin)", authors=["Conference on Robots"]),
    _case(
        "a second author without a role",
        "100 1_ $aPratchett, Terry.",
        "700 1_ $aGaiman, Neil.",
        authors=["Terry Pratchett", "Neil Gaiman"],
        contributors=[],
    ),
    _case(
        "roles in words",
        "700 1_ $aHeinz, Reinhard,$etranslator.",
        "700 1_ $aGibson, William,$eauthor.",
        authors=["William Gibson"],
        contributors=["Reinhard Heinz (translator)"],
    ),
    _case(
        "roles as codes",
        "700 1_ $aHeinz, Reinhard$4trl",
        "700 1_ $aMcKean, Dave$4ill$4cov",
        contributors=["Reinhard Heinz (translator)", "Dave McKean (illustrator, cover designer)"],
    ),
    _case(
        "a role as an address",
        "700 1_ $aHeinz, R.$4http://id.loc.gov/vocabulary/relators/trl",
        contributors=["R. Heinz (translator)"],
    ),
    _case("an unknown code", "700 1_ $aHeinz, R.$4xyz", contributors=["R. Heinz"]),
    _case(
        "author and illustrator",
        "100 1_ $aSendak, Maurice,$eauthor,$eillustrator.",
        authors=["Maurice Sendak"],
        contributors=[],
    ),
    _case("an entry for another work", "700 12 $aGoethe, Johann Wolfgang von.$tFaust.", authors=[], contributors=[]),
    _case(
        "51 authors",
        *(f"700 0_ $aAuthor {n}" for n in range(51)),
        authors=[f"Author {n}" for n in range(50)],
        problems=("authors",),
    ),
    _case("a name of 201 characters", "100 0_ $a" + "A" * 201, "700 0_ $aB", authors=["B"], problems=("authors",)),
    # Publication
    _case("a publisher", "260 __ $aBoston :$bAce,$c1984.", publisher="Ace", published_year=1984),
    _case(
        "the publisher before the printer",
        "264 _3 $aX :$bPrinter,$c1990",
        "264 _1 $aBoston :$bAce,$c[1984?]",
        publisher="Ace",
        published_year=1984,
    ),
    _case("a copyright year", "264 _1 $bAce,$cc1984", published_year=1984),
    _case("the year of 008", _008("s1985", 6), "260 __ $c1984", published_year=1985),
    _case("an unknown year in 008", _008("s19uu", 6), "260 __ $c1984", published_year=1984),
    _case("no year", _008("nuuuu", 6), "260 __ $c[n.d.]", published_year=0),
    _case("an impossible year", "260 __ $c9999", published_year=0),
    _case("a year before the common era", "046 __ $as$b44", published_year=-44),
    _case("a short 008", "008 840101", published_year=0, language=""),
    _case("an edition", "250 __ $a2nd ed.", edition="2nd ed."),
    _case("an edition in words", "250 __ $aRevised edition /", edition="Revised edition"),
    _case("a publisher of 201 characters", "260 __ $b" + "A" * 201, publisher="", problems=("publisher",)),
    # Language
    _case("English", _008("eng", 35), language="en"),
    _case("German, in both codes", _008("ger", 35), language="de"),
    _case("a language without two letters", _008("grc", 35), language="grc"),
    _case("an unknown language", _008("und", 35), "041 0_ $afre", language="fr"),
    _case("languages run together", "041 0_ $aengfre", language="en"),
    _case("a language tag", _008("eng", 35), "041 _7 $aen-GB$2rfc5646", language="en-GB"),
    # Extent
    _case("pages", "300 __ $axii, 271 p. :$bill. ;$c18 cm", page_count=271),
    _case("pages in words", "300 __ $a271 pages ;$c18 cm", page_count=271),
    _case("German pages", "300 __ $aXII, 271 S. :$bIll.", page_count=271),
    _case("pages that are not numbered", "300 __ $a271, [5] p.", page_count=271),
    _case("an e-book", "300 __ $a1 online resource (271 pages)", page_count=271),
    _case("volumes", "300 __ $a2 v. ;$c25 cm", page_count=0),
    _case("minutes", "300 __ $a1 DVD (120 min.)", page_count=0),
    _case("too many pages", "300 __ $a9999999 p.", page_count=0),
    # Series, description, subjects
    _case(
        "a series",
        "490 1_ $aSprawl trilogy ;$vbk. 1",
        "830 _0 $aGibson's Sprawl ;$v1.",
        series="Sprawl trilogy",
        volume="bk. 1",
    ),
    _case("a series entry only", "830 _0 $aSprawl trilogy ;$v1.", series="Sprawl trilogy", volume="1"),
    _case("two descriptions", "520 __ $aFirst.", "520 __ $aSecond.", description="First.\n\nSecond."),
    _case(
        "a description in parts",
        r"520 __ $81.1\x$aOne, t",
        r"520 __ $81.2\x$awo.",
        "520 __ $aMore.",
        description="One, two.\n\nMore.",
    ),
    _case(
        "a description of 10,001 characters",
        "520 __ $a" + "A" * 9_000,
        "520 __ $a" + "B" * 1_000,
        description="",
        problems=("description",),
    ),
    _case(
        "subjects",
        "650 _0 $aCyberspace$vFiction.",
        "650 _7 $aCyberspace -- Fiction$2fast",
        "650 _7 $acyberspace$xfiction",
        "651 _0 $aChiba (Japan)",
        "600 10 $aTuring, Alan,$d1912-1954.",
        "653 __ $aAI$aHackers",
        subjects=["Cyberspace -- Fiction", "Chiba (Japan)", "Turing, Alan 1912-1954", "AI", "Hackers"],
    ),
    _case(
        "a genre",
        "655 _7 $aScience fiction.$2lcgft",
        "655 _7 $aNovels.",
        category="Science fiction",
        subjects=["Novels"],
    ),
    _case("a Dewey number", "082 04 $a813/.54$220", category="Literature"),
    _case("a Dewey number that is not one", "082 04 $a[E]", category=""),
    _case("a local classification", "084 __ $aSCI FI$2local", "082 04 $a813", category="SCI FI"),
    _case(
        "51 subjects",
        *(f"653 __ $aS{n}" for n in range(51)),
        subjects=[f"S{n}" for n in range(50)],
        problems=("subjects",),
    ),
    _case("a cover", "856 42 $3Cover image$uhttps://library.example/1.jpg", cover_uri="https://library.example/1.jpg"),
    _case("an address that is not a cover", "856 40 $uhttps://library.example/text", cover_uri=""),
    _case("a cover without an address", "856 42 $3Cover$unowhere at all", cover_uri="", problems=("cover_uri",)),
    # Format
    _case("a book", format="Book"),
    _case("a map", leader=_leader("em"), format="Map"),
    _case("sheet music", leader=_leader("cm"), format="Sheet music"),
    _case("a DVD", "007 vd cvaizu", leader=_leader("gm"), format="DVD"),
    _case("a Blu-ray", "007 vd csaizu", leader=_leader("gm"), format="Blu-ray"),
    _case("a film of some kind", leader=_leader("gm"), format="Video"),
    _case("an audiobook", leader=_leader("im"), format="Audiobook"),
    _case("music", leader=_leader("jm"), format="Music"),
    _case("a magazine", leader=_leader("as"), format="Periodical"),
    _case("an e-book by 007", "007 cr un", format="E-book"),
    _case("an e-book by 008", _008("o", 23), format="E-book"),
    _case("large print", _008("d", 23), format="Large print"),
    _case("a board game", _008("g", 33), leader=_leader("rm"), format="Game"),
    _case("a video game", _008("g", 26), leader=_leader("mm"), format="Video game"),
    _case("a power drill", "338 __ $aPower drill$2local", leader=_leader("rm"), format="Power drill"),
    _case("an unknown type", leader=_leader("##"), format=""),
    _case("a format that is not specified", "338 __ $aunspecified$bzu$2rdacarrier", format=""),
]
"""The names are those of the tests."""
