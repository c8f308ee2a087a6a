"""`/v2/gateway/bans`: addresses that the SIP port does not listen to, and how to listen to one again."""

import asyncio
from datetime import timedelta
from ipaddress import ip_address

from aiohttp import web

from gateway.api.errors import BadRequest, ResourceNotFound
from gateway.api.resources.times import to_milliseconds
from gateway.api.views import Bans
from gateway.observability.clock import utc_now
from gateway.sip.core.banning import Ban


def list_bans(bans: Bans) -> web.Response:
    """Who is banned, the newest ban first."""
    return web.json_response({"data": [_ban_json(ban) for ban in bans.bans()]})


def lift_ban(request: web.Request, bans: Bans) -> web.Response:
    """Listen to an address again; an IPv6 one stands for its /64.

    Raises:
        BadRequest: that is no IP address.
        ResourceNotFound: it is not banned.
    """
    address = request.match_info["address"]
    try:
        host = str(ip_address(address))
    except ValueError as error:
        raise BadRequest("expected an IP address", pointer="/address") from error
    if not bans.lift_ban(host):
        raise ResourceNotFound(f"{host} is not banned")
    return web.json_response({"data": {"result": "ok"}})


def _ban_json(ban: Ban) -> dict[str, object]:
    """A ban, for a response. `address` is what the lift takes: for IPv6 the first of the network."""
    now, clock = utc_now(), asyncio.get_running_loop().time()
    return {
        "record_type": "gateway_ban",
        "address": ban.network.partition("/")[0],
        "network": ban.network,
        "offence": ban.offence.value,
        "banned_at": to_milliseconds(now - timedelta(seconds=clock - ban.since)),
        "expires_at": to_milliseconds(now + timedelta(seconds=ban.until - clock)),
    }
