"""Pure parts of `trunks`: no loop, no clock, no random numbers of their own."""
