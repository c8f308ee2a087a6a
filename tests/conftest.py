"""For every test: hypothesis without a clock, since a busy machine is no defect of the gateway."""

from hypothesis import HealthCheck, settings

settings.register_profile("gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")
