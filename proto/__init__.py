"""Every format that two sides must agree on; pure data, standard library only."""
