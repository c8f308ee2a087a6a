"""REST under /v2: what api.telnyx.com answers, and the gateway's own views.

`routes.routes` has the routes, `middleware.telnyx_errors` the middleware that guards them and turns errors into the
bodies that Telnyx' clients expect, `live.LiveFeed` what the event stream shows.
"""
