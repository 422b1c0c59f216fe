"""HTTP requests to addresses that members enter. None reaches the operator's own network unless the operator allows it.

`send` is the only way out: no other module imports a library that sends requests (import-linter says so).
"""

from labeling.outside.outbound.checking import Refused, check_text, validate_address
from labeling.outside.outbound.sending import Failed, Late, Response, TooLong, body_of, send

__all__ = ["Failed", "Late", "Refused", "Response", "TooLong", "body_of", "check_text", "send", "validate_address"]
