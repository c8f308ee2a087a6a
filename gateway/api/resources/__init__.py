"""The resources of api.telnyx.com that the gateway serves, a module each: bodies, answers, operations."""
