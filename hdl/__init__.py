"""The Tickwire appliance in Amaranth; each folder is one stage of the tick-to-trade path."""
