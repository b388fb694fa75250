"""Step: report all problems of a request at once, whichever rule has found the first of them."""

from __future__ import annotations

from service_kit.calls.steps.step import Hooks, Method, MethodCall
from service_kit.errors import FieldInvalid
from service_kit.validation import joined, problems_by, shortened


def report_all_problems(method: Method) -> Hooks:
    """Add what the method's own rules find to an error that reports some of the problems of a request.

    They are tried only after an error: the method applies each of them itself, and a request without a problem must
    not pay for them twice.
    """
    if not method.rules or method.request_streaming:
        return Hooks()

    def failed(call: MethodCall, error: Exception) -> Exception:
        if type(error) is not FieldInvalid:  # a subclass has a reason of its own, for a request without other problems
            return error
        others = problems_by(method.rules, shortened(call.request, error.problems))
        return FieldInvalid(*joined(error.problems, others))

    return Hooks(failed=failed)
