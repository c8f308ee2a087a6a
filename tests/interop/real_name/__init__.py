"""The gateway answers as rtc.telnyx.com, on port 443, to clients that trust its authority.

Each step of docs/how-to/answer-under-the-real-name.md that can be tried here.
"""
