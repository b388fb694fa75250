"""What any gRPC service here needs: a store, errors with details, validation, paging, reflection, a server that drains.

Nothing in this package knows what a library is.
"""
