"""How an operation of the REST API is written down once, and from that routed, checked, answered and documented.

`operation.Operation` is the description of one; `body` and `listing` read what the client sent into typed values or
into Telnyx' errors; `routing` makes aiohttp's routes of them; `openapi` the document.
"""
