"""Order books: the order table, the best levels beside the datapath, all levels in memory."""
