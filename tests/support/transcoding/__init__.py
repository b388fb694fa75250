"""A gRPC server that is no part of the library, to prove rest_server on: any methods, any rules, stock reflection."""
