"""What happens around each call of a method: the steps, in the order in which they run.

The first step is the outermost one: it runs before the others and sees how the call ended after them. To add a step,
write its file and put it into the list. `service_kit.servicer` runs the steps around methods of all four kinds, in a
server and under grpcio-testing.
"""

from __future__ import annotations

from service_kit.calls.steps.admission import admit_callers
from service_kit.calls.steps.authentication import authenticate
from service_kit.calls.steps.errors import send_errors
from service_kit.calls.steps.faults import translate_faults
from service_kit.calls.steps.outcomes import log_outcomes
from service_kit.calls.steps.problems import report_all_problems
from service_kit.calls.steps.readiness import refuse_until_ready
from service_kit.calls.steps.requests import check_requests
from service_kit.calls.steps.step import Step
from service_kit.calls.steps.streams import read_streams_to_their_end

STEPS: tuple[Step, ...] = (
    send_errors,  # ends a call with the status and the details of its error
    log_outcomes,  # logs how each call ended, and how long it took
    translate_faults,  # turns errors of the store and faults of ours into errors for clients
    refuse_until_ready,  # refuses calls until the server is open
    admit_callers,  # refuses callers who may not call, if the server has a guard
    authenticate,  # refuses other services that are not known
    read_streams_to_their_end,  # raises an error at the end of a client's stream that was cut off
    report_all_problems,  # adds to the problems of a request those that the method's own rules find
    check_requests,  # checks requests by the rules of the contract
)
