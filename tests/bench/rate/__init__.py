"""The part `rate` of `make bench`: whole calls at a rate, and what they do to calls that talk.

`part` runs it in a network namespace, as the media part does; `measure` is what runs there. `callers` is the browsers,
`trunk` the far end, `engine_alone` the media of such calls without anything around it.
"""
