"""Feed handling: packets to messages, messages to operations and trading state."""
