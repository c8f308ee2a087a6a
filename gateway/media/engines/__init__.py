"""Concrete media engines behind `gateway.media.engine`; only `gateway.app` imports these."""
