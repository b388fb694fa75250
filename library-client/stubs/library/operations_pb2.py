"""`google/longrunning/operations.proto`: of googleapis-common-protos if that is installed, or from here.

A process can load one file of this name only.
"""

try:
    from google.longrunning.operations_pb2 import *
except ModuleNotFoundError:
    from library._operations_pb2 import *
