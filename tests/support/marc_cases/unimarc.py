"""Fields of UNIMARC, and what they become."""

from __future__ import annotations

from typing import Any

from tests.support.marc_cases.making import UNIMARC_LEADER
from tests.support.marc_cases.marc21 import FieldCase


def _case(
    name: str, *lines: str, problems: tuple[str, ...] = (), leader: str = UNIMARC_LEADER, **values: Any
) -> FieldCase:
    has_title = any(line.startswith("200") for line in lines)
    return FieldCase(name, lines if has_title else ("200 1_ $aNeuromancien", *lines), values, problems, leader)


UNIMARC_CASES = [
    _case("title and subtitle", "200 1_ $aNeuromancien$eroman$fWilliam Gibson", title="Neuromancien", subtitle="roman"),
    _case("a part", "200 1_ $aFaust$h1$iLa tragédie", title="Faust. La tragédie", volume="1"),
    _case("an article that is not sorted", "200 1_ $a\x88Le \x89petit prince", title="Le petit prince"),
    _case("an ISBN", "010 __ $a2-07-041574-0$bbr.$d8 EUR", isbn="9782070415748"),
    _case("an invalid ISBN", "010 __ $a2-07-041574-3", isbn="", problems=("isbn",)),
    _case(
        "other numbers",
        "011 __ $a0317-8471",
        "073 _0 $a4006381333931",
        identifiers=["ISSN 0317-8471", "EAN 4006381333931"],
    ),
    _case("an author", "700 _1 $aGibson$bWilliam$f1948-....$4070", authors=["William Gibson"]),
    _case("an author without a function", "700 _1 $aGibson$bWilliam", authors=["William Gibson"]),
    _case("a translator", "702 _1 $aBonnefoy$bJean$4730", authors=[], contributors=["Jean Bonnefoy (translator)"]),
    _case("secondary, without a function", "702 _1 $aBonnefoy$bJean", authors=[], contributors=["Jean Bonnefoy"]),
    _case("a body", "710 02 $aFrance$bMinistère de la culture$4070", authors=["France Ministère de la culture"]),
    _case("a publisher", "210 __ $aParis$cJ'ai lu$d1988", publisher="J'ai lu", published_year=1988),
    _case("a publisher in 214", "214 _0 $aParis$cGallimard$dDL 2001", publisher="Gallimard", published_year=2001),
    _case("the year of 100", "100 __ $a20010101d1999    m  y0frey50      ba", published_year=1999),
    _case("the language", "101 1_ $afre$ceng", language="fr"),
    _case("pages", "215 __ $a1 vol. (318 p.)$cill.$d18 cm", page_count=318),
    _case("a series", "225 2_ $aScience-fiction$v2325", series="Science-fiction", volume="2325"),
    _case("a series as a link", "410 _0 $tScience-fiction$v2325", series="Science-fiction", volume="2325"),
    _case("a description", "330 __ $aUn pirate.", description="Un pirate."),
    _case(
        "subjects", "606 __ $aInformatique$xRoman", "610 0_ $apirates", subjects=["Informatique -- Roman", "pirates"]
    ),
    _case("a Dewey number", "676 __ $a813.54$v22", category="Literature"),
    _case("an edition", "205 __ $a2e éd. revue", edition="2e éd. revue"),
    _case("a map", leader="00000nem  2200000   450 ", format="Map"),
]
"""The names are those of the tests."""
