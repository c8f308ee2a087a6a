"""What the REST API and the command line provision, and what its fields do.

Connections, credentials, voice profiles, numbers and their orders, push credentials.

`core/` is pure: the models with their rules, and what they allow a call to do. The modules beside it keep them in the
store. Source: the product's v2 API (rest-v2 A).
"""
