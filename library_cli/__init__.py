"""The operator's command `library`: import books, see how both services are, run them."""
