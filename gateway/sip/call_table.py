"""The live calls of a user agent, and the dialogs that have just ended (RFC 3261 section 12; RFC 3891 section 3)."""

from collections import OrderedDict
from typing import Final

from gateway.domain.ids import SipCallId
from gateway.sip.call import Replaces
from gateway.sip.core.capabilities import Refusal
from gateway.sip.core.dialog import DialogId, Stage
from gateway.sip.incoming import Incoming
from gateway.sip.outgoing import Outgoing

MAX_REMEMBERED: Final = 1000
"""Dialogs remembered after their end, so that whoever wants to replace one gets 603 and not 481; the oldest go."""

_NO_SUCH: Final = Refusal(481, "Call/Transaction Does Not Exist")


class CallTable:
    """Finds a call by Call-ID and our tag, or by what a Replaces names."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], Incoming | Outgoing] = {}
        self._ended: OrderedDict[DialogId, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def all(self) -> list[Incoming | Outgoing]:
        """Every live call."""
        return list(self._calls.values())

    def add(self, call: Incoming | Outgoing) -> None:
        """A call begins."""
        self._calls[call.sip_call_id, call.local_tag] = call

    def get(self, call_id: str, local_tag: str | None) -> Incoming | Outgoing | None:
        """The call that a request with that Call-ID and To tag belongs to."""
        return None if local_tag is None else self._calls.get((call_id, local_tag))

    def forget(self, call: Incoming | Outgoing) -> None:
        """Nothing is left of a call but the names of its dialogs."""
        self._calls.pop((call.sip_call_id, call.local_tag), None)
        for dialog_id, _ in () if call.driver is None else call.driver.usage.dialogs:
            self._ended[dialog_id] = None
        while len(self._ended) > MAX_REMEMBERED:
            self._ended.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._ended.clear()

    def find_replaced(self, replaces: Replaces) -> SipCallId | Refusal:
        """The call whose dialog that is, or why it cannot be replaced (RFC 3891 section 3)."""
        dialog_id = self._match(replaces)
        if dialog_id is None:
            return _NO_SUCH
        stage = self._stage_of(dialog_id)
        if stage is Stage.OVER:
            return Refusal(603, "Decline")
        if stage is Stage.EARLY_THEIRS:
            return _NO_SUCH  # nobody but the caller may move a call that rings here
        if stage is Stage.CONFIRMED and replaces.is_early_only:
            return Refusal(486, "Busy Here")
        return dialog_id.sip_call_id

    def _match(self, replaces: Replaces) -> DialogId | None:
        call = self._calls.get((replaces.call_id, replaces.to_tag))
        live = [] if call is None or call.driver is None else [one for one, _ in call.driver.usage.dialogs]
        # Section 6.1: a tag that was never there is written "0".
        names = {(one.remote_tag or "0"): one for one in live}
        if (found := names.get(replaces.from_tag)) is not None:
            return found
        remote_tags = (replaces.from_tag, "") if replaces.from_tag == "0" else (replaces.from_tag,)
        ended = (DialogId(SipCallId(replaces.call_id), replaces.to_tag, tag) for tag in remote_tags)
        return next((one for one in ended if one in self._ended), None)

    def _stage_of(self, dialog_id: DialogId) -> Stage:
        call = self._calls.get((dialog_id.sip_call_id, dialog_id.local_tag))
        stages = {} if call is None or call.driver is None else dict(call.driver.usage.dialogs)
        return stages.get(dialog_id, Stage.OVER)
