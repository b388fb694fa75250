"""`google/longrunning/operations_proto.proto`: of googleapis-common-protos if that is installed, or from here.

A process can load one file of this name only.
"""

try:
    from google.longrunning.operations_proto_pb2 import *
except ModuleNotFoundError:
    from library._operations_proto_pb2 import *
