"""Text as people write it: folded for the search, split into words, and reduced to keys for filters and sorting.

Everything here is plain Python, so that both engines find and sort the same.
"""
