"""Drives the unmodified React Native SDK under Node, with libwebrtc, and measures there what it hears."""
