"""What a query finds and what it does not, by script and kind: a text of a book, and queries for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from admin_server.books import listing as admin_listing
from frontend_server.browse import catalog as frontend_catalog
from library.admin.v1 import catalog_service_pb2 as admin_messages
from library.frontend.v1 import catalog_service_pb2 as frontend_messages
from service_kit.store import Store
from service_kit.text.keys import tidied
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.stores import ServerName

Find = Callable[[str], list[str]]
"""Lists the texts that a query finds."""


class SearchCase(NamedTuple):
    """One query for one book."""

    kind: str
    text: str
    """Its title, or with an author behind a slash."""
    query: str
    is_found: bool = True

    @property
    def name(self) -> str:
        """The case in a few words, for the report of a test."""
        return f"{self.kind}: {self.query!r} {'finds' if self.is_found else 'misses'} {self.text!r}"


def _cases(kind: str, text: str, finds: str = "", misses: str = "") -> list[SearchCase]:
    """Make the cases of a text; queries are separated by vertical lines."""
    return [
        *[SearchCase(kind, text, query) for query in finds.split("|") if query],
        *[SearchCase(kind, text, query, is_found=False) for query in misses.split("|") if query],
    ]


CASES: list[SearchCase] = [
    # --- Latin: accents, letters of their own, ligatures ---
    *_cases(
        "Latin, French",
        "Les Misérables",
        "misérables|MISERABLES|miserables les|Mise\u0301rables|misera",
        "ables|les mis erables",
    ),
    *_cases(
        "Latin, French", "L’Étranger", "etranger|l'étranger|L’ETRANGER|letranger|l etranger|étrang|tranger", "anger"
    ),
    *_cases("Latin, French", "Œuvres de cœur", "oeuvres|OEUVRES COEUR|œuvres|coeur"),
    *_cases("Latin, French", "Aujourd’hui", "aujourdhui|aujourd'hui|AUJOURD’HUI|aujourd hui"),
    *_cases("Latin, Polish", "Solaris / Stanisław Lem", "stanislaw|STANISŁAW LEM|stanisław|stanisla|tanislaw", "islaw"),
    *_cases("Latin, Polish", "Łódź żółć", "lodz|ŁÓDŹ|zolc|łódź żółć"),
    *_cases(
        "Latin, Danish",
        "Enten – Eller / Søren Kierkegaard",
        "soren|SØREN|søren kierkegaard|soeren|enten eller",
    ),
    *_cases("Latin, Danish", "Rødgrød med fløde på Ærø", "rodgrod|roedgroed|RØDGRØD|aero|ærø|paa|på"),
    *_cases("Latin, Swedish", "Ångström och Åland", "angstrom|ångström|angstroem|aaland|aland|ÅLAND"),
    *_cases(
        "Latin, German", "Die Straße der Ölsardinen", "strasse|STRASSE|STRAẞE|straße|olsardinen|oelsardinen|ÖLSARDINEN"
    ),
    *_cases("Latin, German", "Müller und Mueller", "muller|mueller|MÜLLER|mu\u0308ller"),
    *_cases("Latin, Icelandic", "Þórbergur Þórðarson", "thorbergur|THORDARSON|þórðarson|Þórbergur"),
    *_cases("Latin, Turkish", "kızıl elma", "KIZIL|kizil|kızıl|Kızıl ELMA"),
    *_cases("Latin, Turkish", "KIZIL SAÇLI", "kızıl|kizil|saçlı|sacli|SACLI"),
    *_cases("Latin, Turkish", "İstanbul Hatırası", "istanbul|ISTANBUL|İSTANBUL|hatirasi|HATIRASI"),
    *_cases(
        "Latin, Vietnamese",
        "Truyện Kiều Đoạn trường tân thanh",
        "truyen|TRUYEN KIEU|đoạn|doan|truyện kiều|truye\u0323\u0302n",
    ),
    *_cases("Latin, Czech", "Příliš žluťoučký kůň", "prilis|zlutoucky kun|PŘÍLIŠ|kůň"),
    *_cases("Latin, Romanian", "Știință și țară", "stiinta|tara|ŞTIINŢĂ|țară"),
    *_cases("Latin, Esperanto", "Ĉiuj ŝatas ĝin ĵaŭde", "ciuj|satas|gin jaude|ĈIUJ"),
    *_cases("Latin, Maltese", "Ħamrun u Għawdex", "hamrun|ghawdex|GĦAWDEX"),
    *_cases("Latin, Croatian", "Đavolja varoš i ǉubav", "davolja|varos|ljubav|ĐAVOLJA"),
    *_cases("Latin, Catalan", "Col·lecció", "colleccio|col·lecció|coleccio|leccio"),
    *_cases("Latin, Azerbaijani", "Əli və Nino", "eli|ƏLI|əli nino"),
    *_cases("Latin, Hausa", "Ɓauna da ɗaki", "bauna|daki|ƁAUNA"),
    *_cases("Latin, old print", "Congreſs of Vienna", "congress|CONGRESS|congreſs"),
    *_cases("Latin, ligatures", "ﬁn de ﬂeur ﬃx", "fin|fleur|ffix|FIN DE FLEUR"),
    *_cases("Latin, mathematical", "𝐁𝐨𝐥𝐝 𝔉𝔯𝔞𝔨𝔱𝔲𝔯", "bold|fraktur|BOLD"),
    *_cases("Latin, fullwidth", "ＡＢＣ ｍｕｒｄｅｒｓ", "abc|murders|ＡＢＣ"),
    # --- signs within words ---
    *_cases("transliterated Russian", "Gogolʹ i Tatʹi︠a︡na", "gogol|GOGOL|gogol'|gogolʹ|tatiana|tat'iana"),
    *_cases("transliterated Arabic", "Qurʼān wa-ʿAlī", "quran|qur'an|qur’an|QURAN|qurʼān|ali|qur an"),
    *_cases("transliterated Arabic", "al-Maʾmūn", "almamun|al-mamun|mamun|al-ma'mun"),
    *_cases("Hawaiian", "Hawaiʻi Nei", "hawaii|hawai'i|hawai‘i|HAWAII"),
    *_cases("apostrophe", "Don't Look Now", "dont|don't|DON’T look|don t|don´t|don`t"),
    *_cases("apostrophe", "Code / Tim O'Reilly", "oreilly|o'reilly|reilly|O’REILLY|o reilly|o´reilly"),
    *_cases("apostrophe", "Schindler’s List", "schindlers|schindler|schindler's list"),
    *_cases("apostrophe", "Rock 'n' Roll", "rock n roll|rock 'n' roll|rock roll"),
    *_cases("apostrophe, Ukrainian", "П’ять днів", "пять|п'ять|ПʼЯТЬ"),
    *_cases("hyphen", "Spider-Man", "spiderman|spider-man|spider man|SPIDER‑MAN|spider|man|spid"),
    *_cases("hyphen", "The Email Trap", "e-mail|email|e‐mail"),
    *_cases("hyphen", "An E-Mail Novel", "email|e-mail|mail"),
    *_cases("hyphen", "Catch-22", "catch 22|catch-22|22|catch22", "2"),
    *_cases("hyphen", "Mother-in-law’s tongue", "motherinlaws|mother in law|mother-in-law's|laws"),
    *_cases(
        "initials", "The Hobbit / J.R.R. Tolkien", "jrr tolkien|j.r.r. tolkien|j r r tolkien|J. R. R. Tolkien|tolkien j"
    ),
    *_cases("initials", "Harry Potter / J. K. Rowling", "jk rowling|j.k. rowling|j k rowling|JK"),
    *_cases("initials", "Essays / George R R Martin", "rr martin|r.r. martin|george r. r. martin"),
    *_cases("signs", "C++ Primer", "c++|c++ primer|c primer|C＋＋", "c#"),
    *_cases("signs", "C# in Depth", "c#|C# depth|c＃", "c++ depth"),
    *_cases("signs", "AT&T Archives", "at&t|att"),
    *_cases("signs", "20,000 Leagues", "20000|20,000 leagues|20 000"),
    *_cases("signs", "Robert'); DROP TABLE book;--", "robert drop table|'); drop|drop--"),
    *_cases("signs", "x² + y² = z₂", "x2|y2|z2|x²"),
    *_cases("signs", "Part Ⅷ №5", "viii|VIII|no5"),
    # --- what nobody sees ---
    *_cases("soft hyphen", "Donau\u00addampf\u00adschiff", "donaudampfschiff|donau\u00addampfschiff|donaudampf"),
    *_cases("zero-width joiner", "Zero\u200dwidth", "zerowidth|zero\u200cwidth"),
    *_cases("zero-width space", "Neuro\u200bmantic", "neuromantic|neuro\u2060mantic"),
    *_cases("direction marks", "\u200ePlain\u200f \u202atext\u202c", "plain|text|plain text|pla\u2066in"),
    *_cases("variation selectors", "Heart\ufe0fland", "heartland"),
    *_cases("grapheme joiner", "Com\u034fbining", "combining"),
    # --- Greek, Cyrillic, Armenian, Georgian ---
    *_cases("Greek", "Ο Μύθος του Σίσυφου", "μυθος|ΜΥΘΟΣ|ΜΎΘΟΣ|σισυφου|μύθοσ|σίσυ"),
    *_cases("Greek, polytonic", "Ἐν ἀρχῇ ἦν ὁ Λόγος", "εν αρχη|λογος|ΛΟΓΟΣ|ἀρχῇ"),
    *_cases("Cyrillic, Russian", "Ёлка и война / Лев Толстой", "елка|ЁЛКА|ёлка|толстой|ТОЛСТОЙ|война|войн"),
    *_cases("Cyrillic, Russian", "Это воина меч", "воина"),
    *_cases("Cyrillic, decomposed", "Чаи\u0306ковский", "чайковский|ЧАЙКОВСКИЙ"),
    *_cases("Cyrillic, Ukrainian", "Київ і Львів", "київ|КИЇВ|львів"),
    *_cases("Cyrillic, Serbian", "На Дрини ћуприја", "ћуприја|ЋУПРИЈА|дрини"),
    *_cases("Armenian", "Հայաստան և աշխարհ", "հայաստան|ՀԱՅԱՍՏԱՆ|եւ|աշխարհ"),
    *_cases("Georgian", "ვეფხისტყაოსანი", "ვეფხისტყაოსანი|ვეფხის|ᲕᲔᲤᲮᲘᲡᲢᲧᲐᲝᲡᲐᲜᲘ"),
    # --- Hebrew and Arabic ---
    *_cases("Hebrew", "שָׁלוֹם עֲלֵיכֶם", "שלום|שלום עליכם|שָׁלוֹם|שלו"),
    *_cases("Hebrew, acronym", "תולדות צה״ל", 'צה"ל|צהל|צה״ל'),
    *_cases("Arabic", "القُرْآن الكَرِيم", "القرآن|القران|الكريم|القُرآن"),
    *_cases("Arabic", "مدرسة أحمد وإسلام", "مدرسه|احمد|أحمد|واسلام"),
    *_cases("Arabic", "كتـــاب الأيام", "كتاب|الايام|كتاب الأيام"),
    *_cases("Persian", "می‌خواهم کتاب بخوانم", "میخواهم|می‌خواهم|ميخواهم|كتاب|کتاب"),
    *_cases("Urdu", "باغ و بہار ۱۹۸۴", "بہار|بهار|1984|۱۹۸۴|١٩٨٤"),
    *_cases("Syriac", "ܟܬܳܒܳܐ", "ܟܬܒܐ|ܟܬܳܒܳܐ"),
    # --- scripts of India and around ---
    *_cases("Devanagari", "गोदान और निर्मला", "गोदान|निर्मला|गोदान निर्मला|निर्म", "दान"),
    *_cases("Devanagari", "हिन्दी की पुस्तक २०२०", "हिन्दी|पुस्तक|2020|हिन्दी पुस्तक", "हन्द|स्तक"),
    *_cases("Devanagari, nukta", "ज़िन्दगी", "\u095bिन्दगी|जिन्दगी|ज\u093cिन्दगी"),
    *_cases("Bengali", "গীতাঞ্জলি রবীন্দ্রনাথ", "গীতাঞ্জলি|রবীন্দ্রনাথ|গীতা", "গতঞ্জল"),
    *_cases("Tamil", "பொன்னியின் செல்வன்", "பொன்னியின்|செல்வன்|பொன்னி", "பன்னி"),
    *_cases("Telugu", "వేయి పడగలు", "వేయి|పడగలు"),
    *_cases("Kannada", "ಮಂಕುತಿಮ್ಮನ ಕಗ್ಗ", "ಮಂಕುತಿಮ್ಮನ|ಕಗ್ಗ"),
    *_cases("Malayalam", "ചെമ്മീൻ", "ചെമ്മീൻ|ചെമ്മീ"),
    *_cases("Gurmukhi", "ਪੰਜਾਬੀ ਸਾਹਿਤ", "ਪੰਜਾਬੀ|ਸਾਹਿਤ"),
    *_cases("Gujarati", "સરસ્વતીચંદ્ર", "સરસ્વતીચંદ્ર|સરસ્વતી"),
    *_cases("Sinhala", "මඩොල් දූව", "මඩොල්|දූව"),
    *_cases("Tibetan", "བོད་ཡིག་སློབ་དེབ", "བོད|ཡིག|བོད་ཡིག|སློབ་དེབ"),
    # --- scripts without blanks between words ---
    *_cases(
        "Han and kana", "戦争と平和の歴史", "平和|戦争|戦争と平和|歴史|平和の歴史|史|戦争 歴史|戦", "平争|和平|歴平"
    ),
    *_cases("Han and kana", "吾輩は猫である", "猫|吾輩|吾輩は猫|猫である", "犬|輩吾"),
    *_cases("Han, bigrams", "東京と京都", "東京|京都|東京と", "東京都|京と東"),
    *_cases("Han, Chinese", "红楼梦 三国演义", "红楼梦|红楼|三国|演义|梦", "楼红"),
    *_cases("Han with digits", "第２巻 上", "第2巻|2|巻"),
    *_cases("Katakana", "パリの空", "パリ|ﾊﾟﾘ|パリの|ハ\u309aリ", "ハリ|バリ"),
    *_cases(
        "Katakana",
        "ハリー・ポッターと賢者の石",
        "ハリー|ポッター|ハリーポッター|ハリー・ポッター|賢者|ﾊﾘｰ",
        "パリー|ホッター",
    ),
    *_cases("Katakana", "ガリヴァー旅行記", "ガリヴァー|ｶﾞﾘｳﾞｧｰ|旅行|カ\u3099リ", "カリ"),
    *_cases("Hiragana", "おくのほそ道", "ほそ道|おくの|ほそ"),
    *_cases("Latin and kana", "Pythonプログラミング入門", "python|プログラミング|入門|pythonプログラミング"),
    *_cases("Hangul", "전쟁과 평화", "전쟁과|평화|전쟁|전쟁 평화|\u110c\u1165\u11ab쟁", "쟁과"),
    *_cases("Thai", "สงครามและสันติภาพ", "สงคราม|สันติภาพ|และ|สงครามและสันติภาพ", "ภาพสันติ"),
    *_cases("Thai", "น้ำใจ", "น้ำ|ใจ|น้ำใจ"),
    *_cases("Lao", "ສົງຄາມແລະສັນຕິພາບ", "ສົງຄາມ|ສັນຕິພາບ"),
    *_cases("Khmer", "ភាសាខ្មែរ", "ខ្មែរ|ភាសា"),
    *_cases("Myanmar", "မြန်မာစာအုပ်", "မြန်မာ|စာအုပ်"),
    # --- others ---
    *_cases("Ethiopic", "ፍቅር እስከ መቃብር", "ፍቅር|መቃብር|እስከ መቃብር"),
    *_cases("Cherokee", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "ᏣᎳᎩ|ꮳꮃꭹ"),
    *_cases("Mongolian", "ᠮᠣᠩᠭᠣᠯ", "ᠮᠣᠩᠭᠣᠯ|ᠮᠣᠩ"),
    # --- beginnings of words, and typing errors ---
    *_cases("beginning", "Neuromancer / William Gibson", "neuro|n|NEUROMAN|neuro gib|will neur", "euromancer x"),
    *_cases("beginning", "Nineteen Eighty-Four", "ninet|eightyfour|eighty-f|eighty-four"),
    *_cases(
        "typing error",
        "Frankenstein / Mary Shelley",
        "frankenstien|frankensten|frankenstein shelly|franckenstein|rfankenstein",
    ),
    *_cases("typing error", "Middlemarch", "midlemarch|middlemarhc|middelmarch|middlemarsh|iddlemarch", "mddlmrch"),
    *_cases("typing error", "Преступление и наказание", "преступленее|наказаниие"),
    *_cases("typing error", "1985 Zyxwv", "zyxwu", "1986|1958"),
]


def filled(server: ServerName, store: Store) -> Find:
    """Put every text of the cases into a store as a book, and return what searches it."""
    books = {text: _title_and_authors(text) for text in dict.fromkeys(case.text for case in CASES)}
    if server == "frontend":
        LocalFrontend(store, SettableClock()).receive(*[new_book(title, authors=who) for title, who in books.values()])
    else:
        rows = [admin_messages.AddBookRequest(title=title, authors=who) for title, who in books.values()]
        Admin(store, SettableClock()).import_rows(*rows)
    by_title = {tidied(title): text for text, (title, _) in books.items()}

    def find(query: str) -> list[str]:
        if server == "frontend":
            request = frontend_messages.ListBooksRequest(query=query, page_size=1_000)
            found = list(frontend_catalog.list_books(store, request).books)
        else:
            found, _ = admin_listing.list_books(store, admin_messages.ListBooksRequest(query=query, page_size=1_000))
        return [by_title[tidied(book.title)] for book in found]

    return find


def _title_and_authors(text: str) -> tuple[str, list[str]]:
    title, _, author = text.partition(" / ")
    return title, [author] if author else []
