"""The only user of non-public names of pyOpenSSL, each probed before use.

A capability is a name for something that pyOpenSSL's public interface can't
do, with the library functions that it takes.  Whoever wants one asks
``has(name)`` first and has another way if the answer is no; so a binding
that lacks a function costs a feature, never the process.

Each concept is a module of this folder; ``probing`` has the table of
capabilities.  Other folders use what is named here.
"""

from .callbacks import (
    ALERT,
    set_alpn_function,
    set_request_function,
    set_server_name_function,
    set_verify,
)
from .certificates import peer_leaf, sent_chain, verified_chain
from .direct import DirectIO
from .keys import set_signature_algorithms, use_private_key
from .preshared import set_psk_client_function, set_psk_server_function
from .probing import capabilities, has, library_handle, without
from .roots import RootStore
from .sessions import (
    copied_session,
    has_session,
    held_session,
    offer_session,
    resume_nothing,
    session_reused,
    verify_result,
)
from .settings import (
    agreed,
    expect_peer,
    has_extended_master_secret,
    offer_post_handshake_authentication,
    request_client_certificate,
    set_dh_parameters,
    set_ech_grease,
    set_groups,
    set_purpose,
)
from .stapling import set_response_function, set_staple_function
from .tracing import (
    request_timestamps,
    set_key_function,
    set_message_function,
)

__all__ = [
    "ALERT",
    "DirectIO",
    "RootStore",
    "agreed",
    "capabilities",
    "copied_session",
    "expect_peer",
    "has",
    "has_extended_master_secret",
    "has_session",
    "held_session",
    "library_handle",
    "offer_post_handshake_authentication",
    "offer_session",
    "peer_leaf",
    "request_client_certificate",
    "request_timestamps",
    "resume_nothing",
    "sent_chain",
    "session_reused",
    "set_alpn_function",
    "set_dh_parameters",
    "set_ech_grease",
    "set_groups",
    "set_key_function",
    "set_message_function",
    "set_psk_client_function",
    "set_psk_server_function",
    "set_purpose",
    "set_request_function",
    "set_response_function",
    "set_server_name_function",
    "set_signature_algorithms",
    "set_staple_function",
    "set_verify",
    "use_private_key",
    "verified_chain",
    "verify_result",
    "without",
]
