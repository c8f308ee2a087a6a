"""A session over real sockets and a bad network: what each end hears, and what the gateway says of it.

How long holes are, and how much of a tone is left, is measured where time is a number
(`tests/unit/media/test_bad_network.py`); here a busy machine would be measured as well.
"""

import asyncio
from typing import Final

from gateway.media.engine import Profile
from tests.harness.bad_network import Network, Weather

from . import sound
from .call import A, B, calling, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine
from .weather import behind

COUNT: Final = 150
BAD: Final = Weather(loss=0.20, reorder=0.05, duplicate=0.10, jitter=0.020)


async def test_both_ends_hear_each_other_at_20_percent_loss_and_the_gateway_knows_of_it(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine = await make_engine()
    browser, trunk = add_browser(codecs=("opus",), has_events=False), await add_trunk(codecs=("PCMU",))
    out, back = Network(BAD, 1), Network(BAD, 2)
    async with calling(engine, Profile.WEBRTC, Profile.RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        browser.send_raw = behind(out, browser.send_raw)  # type: ignore[method-assign,assignment] # its way to the socket
        trunk.send_raw = behind(back, trunk.send_raw)  # type: ignore[method-assign,assignment] # as above
        opus, pcmu = sound.payloads("opus", 500, COUNT), sound.payloads("PCMU", 900, COUNT)

        await asyncio.gather(
            sound.play(browser.send, sound.packets("opus", opus, payload_type=111, ssrc=browser.ssrc)),
            sound.play(trunk.send, sound.packets("PCMU", pcmu, payload_type=0, ssrc=trunk.ssrc)),
        )

        at_trunk = [await trunk.packet() for _ in range(COUNT - 20)]
        assert sound.is_tone(sound.heard("PCMU", at_trunk), 500, rate=8000)
        sent = call.session.stats()[A].packets_sent
        at_browser = sound.heard("opus", await sound.collect(browser.received, sent, payload_type=111))
        assert sound.duration(at_browser, 900, rate=48000) > 0.5 * COUNT * sound.FRAME
        quality = call.session.quality()
        for leg, network in ((A, out), (B, back)):
            inbound = quality[leg].inbound
            assert network.lost > 0.1 * COUNT
            assert inbound.lost > 0
            assert inbound.concealed is None or 0.1 < inbound.concealed < 0.4
