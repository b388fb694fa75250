"""Two addresses are one when mail for them goes to the same place, and a text is an address or it is not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from library_domain.emails import checked_email, email_key, key_of_address
from service_kit.errors import FieldInvalid


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.L+x@EXAMPLE.Org", "ada.l+x@example.org"),
        ("groß@example.org", "groß@example.org"),
        ("GROẞ@example.org", "groß@example.org"),
        ("ada@faß.example", "ada@xn--fa-hia.example"),
        ("ada@FASS.example", "ada@fass.example"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"),
        ("ada@ｅｘａｍｐｌｅ。org", "ada@example.org"),
        ("JOSE\u0301@example.org", "josé@example.org"),
        ("İ@example.org", "i\u0307@example.org"),
        ("ΌΣΟΣ@example.org", "όσος@example.org"),
        ("ǅ@example.org", "ǆ@example.org"),
        ("ﬁ@example.org", "ﬁ@example.org"),
        ("用户@例え.example", "用户@xn--r8jz45g.example"),
        # Names that are reserved for special use, so that email-validator refuses them.
        ("Ada@Desk.Local", "ada@desk.local"),
        ("ada@bücher。ｌｏｃａｌ", "ada@xn--bcher-kva.local"),
        ("ada@10.in-addr.arpa", "ada@10.in-addr.arpa"),
        ("ada@a.test", "ada@a.test"),
        ("ada@a.teﬆ", "ada@a.test"),
        (f"{'x' * 64}@{'.'.join(['y' * 60] * 3)}.local", f"{'x' * 64}@{'.'.join(['y' * 60] * 3)}.local"),
    ],
)
def test_an_address_has_the_key_that_mail_goes_by(email: str, key: str) -> None:
    assert email_key(checked_email(email)) == key
    assert key_of_address(email) == key


@pytest.mark.parametrize(
    "text",
    [
        *("", "ada", "ada@", "@example.org", "ada@example", "a b@example.org", "ada@example.org.", '"a"@example.org'),
        *("ada@[127.0.0.1]", "Ada <ada@example.org>", "ada@exa\u200bmple.org", "ada@-x.org", "ada@☃.example"),
        *("ada@localhost", "ada@local", "ada@☃.local", "ada@-.test", "ada@.onion", "x" * 250 + "@a.test"),
        *("x" * 250 + "@example.org", "a@b@example.org", "ada@example..org", ".ada@example.org"),
    ],
)
def test_what_is_not_an_address_is_refused_and_has_no_key(text: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        checked_email(text)
    assert [field for field, _ in refused.value.problems] == ["email"]
    assert key_of_address(text) == ""


def test_a_stored_address_that_the_rules_of_today_refuse_has_a_key() -> None:
    assert email_key("Ada@☃.EXAMPLE") == "ada@☃.example"
    assert email_key("ada") == "@ada"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=8))
def test_the_form_and_the_case_of_an_address_do_not_matter_and_keys_are_stable(local: str) -> None:
    key = email_key(f"{local}@example.org")
    for form in ("NFC", "NFD"):
        assert email_key(f"{unicodedata.normalize(form, local)}@example.org") == key
    assert email_key(key) == key
