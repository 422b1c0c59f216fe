"""Numbers have Western digits, as on the keys, and the separators that go with them, as browsers write them."""

DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
