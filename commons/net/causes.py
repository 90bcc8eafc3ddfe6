"""Why somebody could not be asked, in our words: aiohttp, libp2p and the system name their own insides."""

from __future__ import annotations

import re
import socket
import ssl

from commons.errors import CommonsError, refusal

_BROKE_OFF = re.compile("Disconnected|Payload|Incomplete|Closed|Broken|EOF|Reset")  # in the names of libraries' errors


def why(error: BaseException) -> str:
    """Why somebody could not be asked, as a part of a sentence: from the deepest cause, since what is wrapped around it
    says less."""
    while not isinstance(error, CommonsError) and (error.__cause__ or isinstance(error, BaseExceptionGroup)):
        error = error.__cause__ or error.exceptions[0]  # type: ignore[attr-defined]
    match error:
        case CommonsError():
            return error.message
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "its name is not known"
        case ssl.SSLCertVerificationError():
            return "its certificate does not hold"
        case ssl.SSLError():
            return "it does not speak TLS as this machine does"
        case OSError(errno=int()):
            return refusal(error)
    name = type(error).__name__
    return "it broke off" if _BROKE_OFF.search(name) else f"it does not answer as a node does ({name})"
