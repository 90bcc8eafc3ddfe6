"""Datasets on their way: prepared, published and listed; found, fetched, carried, described and exported."""
