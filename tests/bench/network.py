"""Addresses that benchmarks use: loopback and nothing else."""

from ipaddress import ip_network
from typing import Final

LOOPBACK_NETWORK: Final = ip_network("127.0.0.0/8")
