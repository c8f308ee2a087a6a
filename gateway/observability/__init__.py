"""Logs (structlog), every metric (Prometheus), liveness and readiness."""
