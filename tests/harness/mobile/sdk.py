"""The four SDKs by the letters of the checklist."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.harness.mobile.android import AndroidDialect, AndroidRules
from tests.harness.mobile.dialect import Dialect
from tests.harness.mobile.flutter import FlutterDialect, FlutterRules
from tests.harness.mobile.ios import IosDialect, IosRules
from tests.harness.mobile.react_native import ReactNativeDialect, ReactNativeRules
from tests.harness.mobile.rules import Rules


@dataclass(frozen=True, slots=True)
class Sdk:
    """How one SDK writes, and how it reads."""

    dialect: Dialect
    rules: Callable[[], Rules]

    @property
    def name(self) -> str:
        """The platform."""
        return self.dialect.name


IOS: Final = Sdk(IosDialect(), IosRules)
ANDROID: Final = Sdk(AndroidDialect(), AndroidRules)
FLUTTER: Final = Sdk(FlutterDialect(), FlutterRules)
REACT_NATIVE: Final = Sdk(ReactNativeDialect(), ReactNativeRules)

SDKS: Final = {sdk.dialect.letter: sdk for sdk in (IOS, ANDROID, FLUTTER, REACT_NATIVE)}


def sdks(letters: str) -> list[Sdk]:
    """Those of a line of the checklist, as `iafr`; the `j` of JavaScript is left to its own suite."""
    return [SDKS[letter] for letter in letters if letter != "j"]
