"""The people who borrow."""
