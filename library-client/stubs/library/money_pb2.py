"""`google.type.Money`: of googleapis-common-protos where that is installed, otherwise from here.

A process can load one `google/type/money.proto` only.
"""

try:
    from google.type.money_pb2 import DESCRIPTOR, Money
except ModuleNotFoundError:
    from library._money_pb2 import DESCRIPTOR, Money

__all__ = ["DESCRIPTOR", "Money"]
