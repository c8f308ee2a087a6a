"""Packets: RTP, codecs, jitter, DTMF, and the engines that move them. Never decides about a call."""
