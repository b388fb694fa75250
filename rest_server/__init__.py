"""HTTP and JSON for any gRPC server that has reflection."""

__version__ = "0.1.0"
LICENSE = "Apache-2.0"
"""Of this package, as SPDX writes it."""
