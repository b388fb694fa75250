"""Other catalogues: Open Library and Google Books. Everything that they send is bounded and distrusted."""
