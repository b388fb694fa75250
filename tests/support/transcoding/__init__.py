"""A gRPC server that is not a part of the library, to test rest_server on: any methods, any rules, stock reflection."""
