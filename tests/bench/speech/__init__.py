"""Speech at a loss of packets: what this gateway makes of it, beside libopus' own demo at the same loss.

The same packets, with the same ones missing, go through the packet path and through `opus_demo`, and what comes out is
compared with the clean speech. No sockets and no clock: time is a number, so that a run can be had again.
"""
