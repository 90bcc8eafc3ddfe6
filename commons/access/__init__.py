"""Asking for a key and answering: the requester's side, and the registrar's."""
