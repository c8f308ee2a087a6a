"""The four mobile SDKs as scripted clients: each sends as its SDK does and takes only what its SDK survives.

Sources: telnyx-webrtc-ios 4.1.2, telnyx-webrtc-android 3.7.0, flutter-voice-sdk 4.4.0,
`@telnyx/react-native-voice-sdk` 1.1.0. The M- numbers are those of `docs/reference/parity.md`.
"""
