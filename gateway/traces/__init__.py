"""What happened in a call, for whoever looks for a mistake: its SIP messages, Verto frames and media facts.

`tracer` hears of all of them and has them kept by one writer; `homer` sends them to a collector. `core` finds out which
call a message belongs to, cuts secrets out, and draws: a ladder as text and as SVG, pcap, HEP version 3.
"""
