"""What holds for every test."""

import signal

# A shell that runs tests in the background has SIGINT ignored, and what they start would inherit
# it: commands that are interrupted by a test would go on for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
