"""Settings: a TOML file and the environment become each package's own settings class, or a list of mistakes."""

from gateway.config.load import DEMO, load
from gateway.config.problems import ConfigError, Problem
from gateway.config.sections import Config

__all__ = ["DEMO", "Config", "ConfigError", "Problem", "load"]
