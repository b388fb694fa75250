"""What any gRPC service here needs: a store, errors with details, validation, paging, reflection, a server that drains.

Nothing in this package knows what a library is.
"""

import os

# gRPC writes a line for each failed TLS handshake, past our own log: a scanner of ports would fill it. It reads the
# variable when it is imported, and has no other setting for it.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
