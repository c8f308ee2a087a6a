"""Voice SDK Proxy: WebSockets, Verto sessions. Knows neither SIP nor media."""
