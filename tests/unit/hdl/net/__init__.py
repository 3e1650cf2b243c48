"""Unit tests of hdl/net."""
