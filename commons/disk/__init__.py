"""What is durable: the home, its log, its packs and its tables. One file a table."""
