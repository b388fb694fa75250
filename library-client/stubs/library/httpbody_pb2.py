"""`google/api/httpbody.proto`: of googleapis-common-protos if that is installed, or from here.

A process can load one file of this name only.
"""

try:
    from google.api.httpbody_pb2 import *
except ModuleNotFoundError:
    from library._httpbody_pb2 import *
